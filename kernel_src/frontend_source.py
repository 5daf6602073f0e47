"""The C++ code of the frontend's steps: see `frontend_native`. Here is that of the scalings."""

from kernel_src.mel_source import MEL_ENERGIES
from kernel_src.native_code import NativeCode

SCALINGS = """
// Polynomials, the lowest power first: log2(1 + x) / x for 1 + x from the root of 1/2 to the root of 2, and 2^x for x
// from -1/2 to 1/2, interpolated at Chebyshev's points. A test computes them anew.
constexpr float LOG2[] = {
    1.442695040e+00f, -7.213473545e-01f, 4.808985203e-01f, -3.606965418e-01f, 2.885525614e-01f,
    -2.396081219e-01f, 2.048576476e-01f, -1.913883768e-01f, 1.847603347e-01f, -1.074978950e-01f};
constexpr float EXP2[] = {
    1.000000000e+00f, 6.931472067e-01f, 2.402265092e-01f, 5.550327227e-02f, 9.618056678e-03f,
    1.340042818e-03f, 1.546144472e-04f};
constexpr float SMALLEST_POWER = 1e-10f;  // librosa.power_to_db's `amin`
constexpr float SMALLEST_NORMAL = 0x1p-126f;
typedef int ivec __attribute__((vector_size(LANES * sizeof(int)), aligned(sizeof(int)), may_alias));

INLINE ivec whole(int value) { return ivec{} + value; }
INLINE vec all(float value) { return vec{} + value; }

template <long terms> INLINE vec polynomial(const float (&coefficients)[terms], vec x) {
    vec sum = all(coefficients[terms - 1]);
#pragma GCC unroll 16
    for (long i = terms - 2; i >= 0; i--) sum = sum * x + coefficients[i];
    return sum;
}

// Of normal numbers above 0.
INLINE vec log2_of(vec x) {
    const ivec bits = (ivec)x, half_root = whole(0x3f3504f3);  // the bits of the root of 1/2
    const ivec exponent = (bits - half_root) >> 23;
    const vec below = (vec)(bits - (exponent << 23)) - 1;
    return __builtin_convertvector(exponent, vec) + below * polynomial(LOG2, below);
}

INLINE vec exp2_of(vec x) {
    x = x < -126 ? all(-126) : x;
    x = x > 127 ? all(127) : x;
    const vec rounded = (x + 0x1.8p23f) - 0x1.8p23f;
    const ivec exponent = __builtin_convertvector(rounded, ivec);
    return (vec)((ivec)polynomial(EXP2, x - rounded) + (exponent << 23));
}

// 0 stays 0, and what is not a number stays so.
INLINE vec raised(vec x, float exponent) {
    return x >= SMALLEST_NORMAL ? exp2_of(exponent * log2_of(x)) : x;
}

// To the nearest float16, halves to even, in the lower halves of whole numbers.
INLINE ivec to_float16(vec x) {
    const ivec all_bits = (ivec)x, bits = all_bits & whole(0x7fffffff), sign = all_bits ^ bits;
    const ivec normal = (bits - whole(112 << 23) + 0xfff + ((bits >> 13) & 1)) >> 13;
    const vec magic = all(0.5f);  // one and its last place is the smallest number below the normal ones
    const ivec subnormal = (ivec)((vec)bits + magic) - (ivec)magic;
    const ivec beyond = bits > whole(0x7f800000) ? whole(0x7e00) : whole(0x7c00);
    const ivec finite = bits < whole(113 << 23) ? subnormal : normal;
    return (bits >= whole(143 << 23) ? beyond : finite) | ((sign >> 16) & whole(0x8000));
}

// Some floats as a vector, and back; what a vector has beyond them is 1 and goes nowhere.
INLINE vec load_some(const float *from, long count) {
    if (count >= LANES) return load(from);
    vec values = all(1);
    __builtin_memcpy(&values, from, count * sizeof(float));
    return values;
}
INLINE void store_some(float *to, vec values, long count) {
    if (count >= LANES) return store(to, values);
    __builtin_memcpy(to, &values, count * sizeof(float));
}

extern "C" void pcen(float *energies, float *smoothed, long frames, long mels, float share, float eps, float gain,
                     float bias, float power) {
    const vec silence = raised(all(bias), power);
    for (long frame = 0; frame < frames; frame++)
        for (long mel = 0; mel < mels; mel += LANES) {
            const long count = mels - mel;
            float *at = energies + frame * mels + mel;
            const vec energy = load_some(at, count);
            const vec smooth = (1 - share) * load_some(smoothed + mel, count) + share * energy;
            store_some(smoothed + mel, smooth, count);
            const vec scaled = raised(energy * raised(smooth + eps, -gain) + bias, power) - silence;
            store_some(at, larger(vec{}, scaled), count);
        }
}

extern "C" void decibels(float *energies, long count) {
    for (long i = 0; i < count; i += LANES) {
        const vec energy = larger(all(SMALLEST_POWER), load_some(energies + i, count - i));
        const vec scaled = 3.01029996f * log2_of(energy);  // ten times the decimal logarithm of 2
        store_some(energies + i, energy == energy ? scaled : energy, count - i);
    }
}

// [frames, mels] to [mels, stride] float16.
extern "C" void round_to(const float *block, long frames, long mels, unsigned short *out, long stride) {
    for (long frame = 0; frame < frames; frame++)
        for (long mel = 0; mel < mels; mel += LANES) {
            const ivec rounded = to_float16(load_some(block + frame * mels + mel, mels - mel));
            for (long i = 0; i < smaller(LANES, mels - mel); i++) out[(mel + i) * stride + frame] = rounded[i];
        }
}
"""

SOURCE = SCALINGS + MEL_ENERGIES
CODE = NativeCode(SOURCE)
