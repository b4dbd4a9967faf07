// Threads that leave early and leave something behind for the others.

// The last threads of a block bring in the halo and go; what they wrote is read behind the barrier.
extern "C" __global__ void halo_by_leavers(const float *x, float *y, int inner) {
  __shared__ float tile[48];
  int t = threadIdx.x, i = blockIdx.x * inner + t;
  tile[t] = x[i] * x[i];
  if (t >= inner) return;
  __syncthreads();
  y[blockIdx.x * inner + t] = tile[t] * tile[t + 1] + __sinf(tile[t + 2]);
}

// A thread that leaves has read what another overwrites behind the barrier.
extern "C" __global__ void read_before_overwritten(float *x, float *y, int keep) {
  int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  float v = x[i ^ 1];
  if (t & 1) {
    y[i] = v * v;
    return;
  }
  __syncthreads();
  if (t < keep) x[i] = v * 3.0f;
  y[i] = v;
}
