"""The C++ code from a waveform to mel energies: see `frontend_native`."""

MEL_ENERGIES = """
// From here on a value is a vector with one float for each of LANES frames, which are transformed side by side.
struct point { vec re, im; };
INLINE point point_at(const vec *values, long i) { return {values[2 * i], values[2 * i + 1]}; }
INLINE void put_point(vec *values, long i, point a) { values[2 * i] = a.re, values[2 * i + 1] = a.im; }
INLINE point operator+(point a, point b) { return {a.re + b.re, a.im + b.im}; }
INLINE point operator-(point a, point b) { return {a.re - b.re, a.im - b.im}; }
INLINE point operator*(float factor, point a) { return {factor * a.re, factor * a.im}; }
INLINE point operator*(point a, const float *w) { return {a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]}; }
INLINE point times_minus_i(point a) { return {a.im, -a.re}; }

// One vector of the two's first halves in turns, one of their second halves: g++ 11 and clang++ have different words.
#ifdef __clang__
#define PICKED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICKED(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif
#if LANE_COUNT == 8
#define FIRST_HALVES(a, b) PICKED(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define SECOND_HALVES(a, b) PICKED(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define FIRST_HALVES(a, b) PICKED(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define SECOND_HALVES(a, b) PICKED(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#endif

INLINE void transpose(vec *rows) {
    vec old[LANES];
#pragma GCC unroll 4
    for (long round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 16
        for (long i = 0; i < LANES; i++) old[i] = rows[i];
#pragma GCC unroll 8
        for (long i = 0; i < LANES / 2; i++) {
            rows[2 * i] = FIRST_HALVES(old[i], old[i + LANES / 2]);
            rows[2 * i + 1] = SECOND_HALVES(old[i], old[i + LANES / 2]);
        }
    }
}

// Samples from `at` on, with zeros beyond the ends of the waveform.
INLINE vec samples_at(const float *waveform, long samples, long at) {
    if (at >= 0 && at + LANES <= samples) return load(waveform + at);
    vec values = {};
    for (long i = larger_of(0, -at); i < smaller(LANES, samples - at); i++) values[i] = waveform[at + i];
    return values;
}

// LANES frames of a waveform under a window, [n_fft] values.
extern "C" void cut(const float *waveform, long samples, long first, long hop, const float *window, long n_fft,
                    vec *out) {
    const bool are_inside = first >= 0 && first + (LANES - 1) * hop + n_fft + LANES <= samples;
    for (long i = 0; i < n_fft; i += LANES) {
        const vec weights = samples_at(window, n_fft, i);
        vec rows[LANES];
#pragma GCC unroll 16
        for (long frame = 0; frame < LANES; frame++) {
            const long at = first + frame * hop + i;
            rows[frame] = weights * (are_inside ? load(waveform + at) : samples_at(waveform, samples, at));
        }
        transpose(rows);
        for (long k = 0; k < smaller(LANES, n_fft - i); k++) out[i + k] = rows[k];
    }
}

// Transforms of two to five points, in place.
INLINE void dft2(point *x) {
    const point difference = x[0] - x[1];
    x[0] = x[0] + x[1], x[1] = difference;
}
INLINE void dft3(point *x) {
    constexpr float SINE = 0.866025404f;  // of a third of a turn, whose cosine is -1/2
    const point sum = x[1] + x[2], middle = x[0] + -0.5f * sum, side = SINE * times_minus_i(x[1] - x[2]);
    x[0] = x[0] + sum, x[1] = middle + side, x[2] = middle - side;
}
INLINE void dft4(point *x) {
    const point a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = times_minus_i(x[1] - x[3]);
    x[0] = a + c, x[1] = b + d, x[2] = a - c, x[3] = b - d;
}
INLINE void dft5(point *x) {
    constexpr float COSINES[] = {0.309016994f, -0.809016994f}, SINES[] = {0.951056516f, 0.587785252f};  // of fifths
    const point a = x[1] + x[4], b = x[2] + x[3], c = times_minus_i(x[1] - x[4]), d = times_minus_i(x[2] - x[3]);
    const point e = x[0] + COSINES[0] * a + COSINES[1] * b, f = x[0] + COSINES[1] * a + COSINES[0] * b;
    const point g = SINES[0] * c + SINES[1] * d, h = SINES[1] * c - SINES[0] * d;
    x[0] = x[0] + a + b, x[1] = e + g, x[2] = f + h, x[3] = f - h, x[4] = e - g;
}

// One step of Stockham's transform: `count` x `stride` transforms of `radix` points, each but its first point turned.
template <long radix> static void step(const vec *from, vec *to, long count, long stride, const float *turns) {
    for (long i = 0; i < count; i++, turns += 2 * (radix - 1))
        for (long j = 0; j < stride; j++) {
            point x[radix];
#pragma GCC unroll 5
            for (long k = 0; k < radix; k++) x[k] = point_at(from, (k * count + i) * stride + j);
            if (radix == 5) dft5(x);
            else if (radix == 4) dft4(x);
            else if (radix == 3) dft3(x);
            else dft2(x);
            put_point(to, i * radix * stride + j, x[0]);
#pragma GCC unroll 5
            for (long k = 1; k < radix; k++)
                put_point(to, (i * radix + k) * stride + j, x[k] * (turns + 2 * (k - 1)));
        }
}

// The transform of `points` complex values, whose place is returned: in one of the two arrays. Both are overwritten.
//   radices  whose product is `points`, and a 0
//   turns    complex factors of each step after the other, see `frontend_native`
extern "C" vec *transform(vec *from, vec *to, long points, const int *radices, const float *turns) {
    for (long stride = 1; *radices; stride *= *radices++) {
        const long radix = *radices;
        points /= radix;
        switch (radix) {
        case 5: step<5>(from, to, points, stride, turns); break;
        case 4: step<4>(from, to, points, stride, turns); break;
        case 3: step<3>(from, to, points, stride, turns); break;
        default: step<2>(from, to, points, stride, turns);
        }
        turns += 2 * (radix - 1) * points;
        vec *const last = from;
        from = to, to = last;
    }
    return from;
}

// Power spectra of 2 * half real values, of which two in turn were taken for a complex one and so transformed.
//   half_turns  [half / 2 + 1] exp(-i pi k / half)
//   out         [half + 1] values
extern "C" void powers(const vec *transformed, long half, const float *half_turns, vec *out) {
    for (long k = 0; 2 * k <= half; k++, half_turns += 2) {
        const point a = point_at(transformed, k), b = point_at(transformed, k ? half - k : 0);
        const point even = {a.re + b.re, a.im - b.im}, odd = times_minus_i({a.re - b.re, a.im + b.im});
        const point turned = odd * half_turns, below = 0.5f * (even + turned), above = 0.5f * (even - turned);
        out[half - k] = above.re * above.re + above.im * above.im;
        out[k] = below.re * below.re + below.im * below.im;
    }
}

// [frames, mels] sums of [bins] values, by filters that are sparse rows.
//   starts         [mels + 1] where a filter's weights begin
//   bins, weights  [starts[mels]]
extern "C" void mel_sums(const vec *values, const int *starts, const int *bins, const float *weights, long mels,
                         long frames, float *out) {
    for (long mel = 0; mel < mels; mel += LANES, out += LANES) {
        vec sums[LANES] = {};
        const long count = smaller(LANES, mels - mel);
        for (long k = 0; k < count; k++) {
            vec sum = {};
            for (long i = starts[mel + k]; i < starts[mel + k + 1]; i++) sum += weights[i] * values[bins[i]];
            sums[k] = sum;
        }
        transpose(sums);
        for (long frame = 0; frame < smaller(LANES, frames); frame++)
            store_some(out + frame * mels, sums[frame], count);
    }
}

// Mel energies of frames of a waveform, [frames, mels].
//   power  2 for sums of powers, 1 for sums of magnitudes
//   work   room for 2.5 * n_fft + 3 values
extern "C" void mel_energies(const float *waveform, long samples, long first, long hop, const float *window, long n_fft,
                             const int *radices, const float *turns, const float *half_turns, const int *starts,
                             const int *bins, const float *weights, long mels, float power, float *work, long frames,
                             float *out) {
    vec *const from = (vec *)(((unsigned long)work + sizeof(vec) - 1) / sizeof(vec) * sizeof(vec));
    vec *const to = from + n_fft, *const values = to + n_fft;
    const long half = n_fft / 2;
    for (; frames > 0; frames -= LANES, first += LANES * hop, out += LANES * mels) {
        cut(waveform, samples, first, hop, window, n_fft, from);
        powers(transform(from, to, half, radices, turns), half, half_turns, values);
        if (power != 2)
            for (long bin = 0; bin <= half; bin++) values[bin] = raised(values[bin], power / 2);
        mel_sums(values, starts, bins, weights, mels, frames, out);
    }
}
"""
