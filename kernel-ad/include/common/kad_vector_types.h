// Vector types of CUDA and HIP with their layouts, and dim3. HIP gives them arithmetic, CUDA does not.
#ifndef KAD_VECTOR_TYPES_H
#define KAD_VECTOR_TYPES_H

#define KAD_HD __attribute__((host)) __attribute__((device)) inline __attribute__((always_inline))

// HIP's have constructors; CUDA's are aggregates.
#ifdef KAD_VECTOR_ARITHMETIC
#define KAD_MADE2(T, B) \
  T##2() = default; \
  KAD_HD constexpr T##2(B a, B b) : x(a), y(b) {} \
  KAD_HD explicit constexpr T##2(B a) : x(a), y(a) {}
#define KAD_MADE3(T, B) \
  T##3() = default; \
  KAD_HD constexpr T##3(B a, B b, B c) : x(a), y(b), z(c) {} \
  KAD_HD explicit constexpr T##3(B a) : x(a), y(a), z(a) {}
#define KAD_MADE4(T, B) \
  T##4() = default; \
  KAD_HD constexpr T##4(B a, B b, B c, B d) : x(a), y(b), z(c), w(d) {} \
  KAD_HD explicit constexpr T##4(B a) : x(a), y(a), z(a), w(a) {}
#else
#define KAD_MADE2(T, B)
#define KAD_MADE3(T, B)
#define KAD_MADE4(T, B)
#endif

#define KAD_VEC1(T, B) struct T##1 { B x; }; KAD_HD T##1 make_##T##1(B x) { T##1 v; v.x = x; return v; }
#define KAD_VEC2(T, B, A) \
  struct __attribute__((aligned(A))) T##2 { B x, y; KAD_MADE2(T, B) }; \
  KAD_HD T##2 make_##T##2(B x, B y) { T##2 v; v.x = x; v.y = y; return v; }
#define KAD_VEC3(T, B) \
  struct T##3 { B x, y, z; KAD_MADE3(T, B) }; \
  KAD_HD T##3 make_##T##3(B x, B y, B z) { T##3 v; v.x = x; v.y = y; v.z = z; return v; }
#define KAD_VEC4(T, B, A) \
  struct __attribute__((aligned(A))) T##4 { B x, y, z, w; KAD_MADE4(T, B) }; \
  KAD_HD T##4 make_##T##4(B x, B y, B z, B w) { T##4 v; v.x = x; v.y = y; v.z = z; v.w = w; return v; }
#define KAD_VECTORS(T, B, A2, A4) KAD_VEC1(T, B) KAD_VEC2(T, B, A2) KAD_VEC3(T, B) KAD_VEC4(T, B, A4)

KAD_VECTORS(char, signed char, 2, 4)
KAD_VECTORS(uchar, unsigned char, 2, 4)
KAD_VECTORS(short, short, 4, 8)
KAD_VECTORS(ushort, unsigned short, 4, 8)
KAD_VECTORS(int, int, 8, 16)
KAD_VECTORS(uint, unsigned int, 8, 16)
KAD_VECTORS(long, long, 16, 16)
KAD_VECTORS(ulong, unsigned long, 16, 16)
KAD_VECTORS(longlong, long long, 16, 16)
KAD_VECTORS(ulonglong, unsigned long long, 16, 16)
KAD_VECTORS(float, float, 8, 16)
KAD_VECTORS(double, double, 16, 16)

struct dim3 {
  unsigned int x, y, z;
  KAD_HD constexpr dim3(unsigned int vx = 1, unsigned int vy = 1, unsigned int vz = 1) : x(vx), y(vy), z(vz) {}
  KAD_HD constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  KAD_HD operator uint3() const { uint3 v; v.x = x; v.y = y; v.z = z; return v; }
};

#ifdef KAD_VECTOR_ARITHMETIC
#define KAD_OP2(T, B, OP) \
  KAD_HD T##2 operator OP(T##2 a, T##2 b) { return make_##T##2(a.x OP b.x, a.y OP b.y); } \
  KAD_HD T##2 operator OP(T##2 a, B b) { return make_##T##2(a.x OP b, a.y OP b); } \
  KAD_HD T##2 operator OP(B a, T##2 b) { return make_##T##2(a OP b.x, a OP b.y); } \
  KAD_HD T##2 &operator OP##=(T##2 &a, T##2 b) { return a = a OP b; } \
  KAD_HD T##2 &operator OP##=(T##2 &a, B b) { return a = a OP b; }
#define KAD_OP3(T, B, OP) \
  KAD_HD T##3 operator OP(T##3 a, T##3 b) { return make_##T##3(a.x OP b.x, a.y OP b.y, a.z OP b.z); } \
  KAD_HD T##3 operator OP(T##3 a, B b) { return make_##T##3(a.x OP b, a.y OP b, a.z OP b); } \
  KAD_HD T##3 operator OP(B a, T##3 b) { return make_##T##3(a OP b.x, a OP b.y, a OP b.z); } \
  KAD_HD T##3 &operator OP##=(T##3 &a, T##3 b) { return a = a OP b; } \
  KAD_HD T##3 &operator OP##=(T##3 &a, B b) { return a = a OP b; }
#define KAD_OP4(T, B, OP) \
  KAD_HD T##4 operator OP(T##4 a, T##4 b) { return make_##T##4(a.x OP b.x, a.y OP b.y, a.z OP b.z, a.w OP b.w); } \
  KAD_HD T##4 operator OP(T##4 a, B b) { return make_##T##4(a.x OP b, a.y OP b, a.z OP b, a.w OP b); } \
  KAD_HD T##4 operator OP(B a, T##4 b) { return make_##T##4(a OP b.x, a OP b.y, a OP b.z, a OP b.w); } \
  KAD_HD T##4 &operator OP##=(T##4 &a, T##4 b) { return a = a OP b; } \
  KAD_HD T##4 &operator OP##=(T##4 &a, B b) { return a = a OP b; }
#define KAD_ARITHMETIC(T, B) \
  KAD_OP2(T, B, +) KAD_OP2(T, B, -) KAD_OP2(T, B, *) KAD_OP2(T, B, /) \
  KAD_OP3(T, B, +) KAD_OP3(T, B, -) KAD_OP3(T, B, *) KAD_OP3(T, B, /) \
  KAD_OP4(T, B, +) KAD_OP4(T, B, -) KAD_OP4(T, B, *) KAD_OP4(T, B, /)
#define KAD_SAMENESS(T) \
  KAD_HD T##2 operator-(T##2 a) { return make_##T##2(-a.x, -a.y); } \
  KAD_HD T##3 operator-(T##3 a) { return make_##T##3(-a.x, -a.y, -a.z); } \
  KAD_HD T##4 operator-(T##4 a) { return make_##T##4(-a.x, -a.y, -a.z, -a.w); } \
  KAD_HD bool operator==(T##2 a, T##2 b) { return a.x == b.x && a.y == b.y; } \
  KAD_HD bool operator==(T##3 a, T##3 b) { return a.x == b.x && a.y == b.y && a.z == b.z; } \
  KAD_HD bool operator==(T##4 a, T##4 b) { return a.x == b.x && a.y == b.y && a.z == b.z && a.w == b.w; } \
  KAD_HD bool operator!=(T##2 a, T##2 b) { return !(a == b); } \
  KAD_HD bool operator!=(T##3 a, T##3 b) { return !(a == b); } \
  KAD_HD bool operator!=(T##4 a, T##4 b) { return !(a == b); }
KAD_SAMENESS(int)
KAD_SAMENESS(uint)
KAD_SAMENESS(float)
KAD_SAMENESS(double)
KAD_ARITHMETIC(int, int)
KAD_ARITHMETIC(uint, unsigned int)
KAD_ARITHMETIC(float, float)
KAD_ARITHMETIC(double, double)
#endif

#endif
