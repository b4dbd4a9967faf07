// Derivatives of device functions inside of your own kernels: see docs/derivatives.md of kernel-ad.
#ifndef KERNEL_AD_H
#define KERNEL_AD_H

/// What kernel-ad does with an argument: kad_const has no derivative, kad_dup and kad_out are pointers that a pointer to the
/// shadow follows, kad_active is a number that a pointer to its adjoint (forward mode: its tangent) follows.
enum kad_role { kad_const = 0, kad_dup = 1, kad_out = 2, kad_active = 3 };

/// Calls the function that computes the gradient of `f`: __kernel_ad_reverse(f, kad_dup, x, d_x, kad_active, a, &d_a, kad_const, n).
/// A function that returns a number has two more arguments, behind a role: where the result goes, and its seed.
template <class F, class... A> __attribute__((device)) void __kernel_ad_reverse(F f, A... args);

/// The same in forward mode.
template <class F, class... A> __attribute__((device)) void __kernel_ad_forward(F f, A... args);

#endif
