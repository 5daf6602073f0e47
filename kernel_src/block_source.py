"""The C++ code of a dense block that does not depend on how its 3x3 convolution is computed."""

BLOCK = """
// What stays in registers, of a product: rows of its result, with one or two vectors of each.
constexpr long ROWS = 6;
// Pixels that go through the 1x1 convolution at a time, and tiles whose points are multiplied at a time: as many rows
// share what is read of a matrix of weights, and lie in the cache meanwhile.
constexpr long PIXELS = 48;
constexpr long TILES = 64;

struct Block {
    long channels, growth, pool_mels, pool_frames;
    long tile;             // pixels each way; 1 for the 3x3 convolution as it is written, without Winograd's points
    const float *lower;    // [channels] thresholds
    const float *weight1;  // [channels, channels] of the 1x1 convolution, packed as `multiply` reads it
    const float *bias1;    // [channels]
    const float *weight2;  // [(tile + 2)^2, channels, growth] of the 3x3 convolution, at Winograd's points if there are
                           // any; each packed
};

// ---- Products of matrices ----

// What becomes of a product: c = ab, or c + ab, or max(0, ab + bias).
struct Ending {
    bool added;
    const float *bias;
    Ending from(long column) const { return {added, bias ? bias + column : nullptr}; }
};

template <long rows, long vectors>
static void multiply_rows(const float *a, const float *b, long depth, float *c, long columns, Ending ending) {
    vec sums[rows][vectors] = {};
    for (long i = 0; i < depth; i++) {
        vec weights[vectors];
#pragma GCC unroll 2
        for (long v = 0; v < vectors; v++) weights[v] = load(b + (i * vectors + v) * LANES);
#pragma GCC unroll 6
        for (long r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (long v = 0; v < vectors; v++) sums[r][v] += a[r * depth + i] * weights[v];
    }
#pragma GCC unroll 6
    for (long r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (long v = 0; v < vectors; v++) {
            float *to = c + r * columns + v * LANES;
            const vec sum = ending.added ? load(to) + sums[r][v] : sums[r][v];
            store(to, ending.bias ? larger(vec{}, sum + load(ending.bias + v * LANES)) : sum);
        }
}

template <long vectors>
static void multiply_panel(
    const float *a, const float *b, long n, long depth, float *c, long columns, Ending ending) {
    for (; n >= ROWS; n -= ROWS, a += ROWS * depth, c += ROWS * columns)
        multiply_rows<ROWS, vectors>(a, b, depth, c, columns, ending);
    switch (n) {
    case 5: return multiply_rows<5, vectors>(a, b, depth, c, columns, ending);
    case 4: return multiply_rows<4, vectors>(a, b, depth, c, columns, ending);
    case 3: return multiply_rows<3, vectors>(a, b, depth, c, columns, ending);
    case 2: return multiply_rows<2, vectors>(a, b, depth, c, columns, ending);
    case 1: return multiply_rows<1, vectors>(a, b, depth, c, columns, ending);
    }
}

// The columns of a matrix of weights are cut into panels of two vectors, or of one where they are an odd number of
// vectors: [panels, depth, width of a panel].
struct Panels {
    long width;
    decltype(&multiply_panel<1>) multiply_one;

    Panels(long columns)
        : width(columns % (2 * LANES) == 0 ? 2 * LANES : LANES),
          multiply_one(width == LANES ? multiply_panel<1> : multiply_panel<2>) {}
};

// c[n, columns] of a[n, depth] b[depth, columns].
static void multiply(const float *a, const float *b, long n, long depth, long columns, float *c, Ending ending) {
    const Panels panels(columns);
    for (long j = 0; j < columns; j += panels.width)
        panels.multiply_one(a, b + j * depth, n, depth, c + j, columns, ending.from(j));
}

// ---- Pooling ----

struct Pixels {
    float *first;
    long row_stride, column_stride;
};

template <long pool_mels, long pool_frames>
static void pool_by(Pixels from, long rows, long columns, long channels, Pixels to) {
    const long down = from.row_stride, across = from.column_stride;
    for (long y = 0; y + pool_mels <= rows; y += pool_mels)
        for (long x = 0; x + pool_frames <= columns; x += pool_frames) {
            const float *corner = from.first + y * down + x * across;
            float *pooled = to.first + y / pool_mels * to.row_stride + x / pool_frames * to.column_stride;
            for (long c = 0; c < channels; c += LANES) {
                vec best = load(corner + c);
                if (pool_frames == 2) best = larger(best, load(corner + across + c));
                if (pool_mels == 2) best = larger(best, load(corner + down + c));
                if (pool_mels == 2 && pool_frames == 2) best = larger(best, load(corner + down + across + c));
                store(pooled + c, best);
            }
        }
}

static void pool(const Block &block, Pixels from, long rows, long columns, long channels, Pixels to) {
    const bool both = block.pool_mels == 2 && block.pool_frames == 2;
    const auto frames_or_none = block.pool_frames == 2 ? pool_by<1, 2> : pool_by<1, 1>;
    (both ? pool_by<2, 2> : block.pool_mels == 2 ? pool_by<2, 1> : frames_or_none)(from, rows, columns, channels, to);
}

// ---- The 1x1 convolution ----

// Some pixels through thresholds, the 1x1 convolution and its ReLU.
static void pointwise(const Block &block, const float *x, long count, float *buffer, float *y) {
    const long channels = block.channels;
    for (long first = 0; first < count; first += PIXELS) {
        const long n = smaller(PIXELS, count - first);
        for (long i = 0; i < n; i++)
            for (long c = 0; c < channels; c += LANES)
                store(buffer + i * channels + c, larger(load(block.lower + c), load(x + (first + i) * channels + c)));
        multiply(buffer, block.weight1, n, channels, channels, y + first * channels, {false, block.bias1});
    }
}
"""
