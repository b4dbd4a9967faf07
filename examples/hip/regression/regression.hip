// Logistic regression: every thread owns one sample and adds its loss, -log of the probability of its label, to the mean.
#include <hip/hip_runtime.h>
#include <math.h>

// x[k * n + i] is feature k of sample i, label[i] is 0 or 1; w holds d weights and the bias.
extern "C" __global__ void loss(const float *x, const float *label, const float *w, float *mean, int n, int d) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float z = w[d];
  for (int k = 0; k < d; ++k) z += w[k] * x[k * n + i];
  // log(1 + exp(z)) without overflow. Not by way of max(z, 0) and |z|, which have no derivative at 0, where a descent starts.
  float softplus = z > 0.0f ? z + log1pf(expf(-z)) : log1pf(expf(z));
  atomicAdd(mean, (softplus - label[i] * z) / n);
}
