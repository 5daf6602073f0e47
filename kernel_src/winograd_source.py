"""The C++ code of a dense block by Winograd's algorithm, and of its entry points: see `winograd` for what and why."""

from kernel_src.block_source import BLOCK
from kernel_src.native_code import NativeCode
from kernel_src.small_image_source import SMALL_IMAGES

WINOGRAD = """
// ---- Winograd's transforms, Lavin and Gray 2016, F(2, 3) and F(4, 3) ----

template <long tile> INLINE void to_points(const vec *x, vec *points) {
    if (tile == 2) {
        points[0] = x[0] - x[2];
        points[1] = x[1] + x[2];
        points[2] = x[2] - x[1];
        points[3] = x[1] - x[3];
        return;
    }
    const vec even1 = x[4] - 4 * x[2], odd1 = x[3] - 4 * x[1], even2 = x[4] - x[2], odd2 = 2 * (x[3] - x[1]);
    points[0] = 4 * x[0] - 5 * x[2] + x[4];
    points[1] = even1 + odd1;
    points[2] = even1 - odd1;
    points[3] = even2 + odd2;
    points[4] = even2 - odd2;
    points[5] = 4 * x[1] - 5 * x[3] + x[5];
}

template <long tile> INLINE void from_points(const vec *points, vec *y) {
    const vec sum1 = points[1] + points[2], difference1 = points[1] - points[2];
    if (tile == 2) {
        y[0] = points[0] + sum1;
        y[1] = difference1 - points[3];
        return;
    }
    const vec sum2 = points[3] + points[4], difference2 = points[3] - points[4];
    y[0] = points[0] + sum1 + sum2;
    y[1] = difference1 + 2 * difference2;
    y[2] = sum1 + 4 * sum2;
    y[3] = difference1 + 8 * difference2 + points[5];
}

// A square of tile + 2 pixels each way to as many points, which lie `point_stride` floats apart.
template <long tile>
static void patch_to_points(const float *patch, long row_stride, long channels, float *points, long point_stride) {
    constexpr long side = tile + 2;
    for (long c = 0; c < channels; c += LANES) {
        vec half[side][side];
#pragma GCC unroll 6
        for (long y = 0; y < side; y++) {
            vec row[side];
#pragma GCC unroll 6
            for (long x = 0; x < side; x++) row[x] = load(patch + y * row_stride + x * channels + c);
            to_points<tile>(row, half[y]);
        }
#pragma GCC unroll 6
        for (long x = 0; x < side; x++) {
            vec column[side], done[side];
#pragma GCC unroll 6
            for (long y = 0; y < side; y++) column[y] = half[y][x];
            to_points<tile>(column, done);
#pragma GCC unroll 6
            for (long y = 0; y < side; y++) store(points + (y * side + x) * point_stride + c, done[y]);
        }
    }
}

// The points back to a tile of pixels, [tile, tile, growth]; those that are inside of the image are added to the sums.
template <long tile>
static void points_to_tile(
    const float *points, long point_stride, long growth, long rows, long columns, float *pixels, float *sums) {
    constexpr long side = tile + 2;
    for (long c = 0; c < growth; c += LANES) {
        vec half[tile][side];
#pragma GCC unroll 6
        for (long x = 0; x < side; x++) {
            vec column[side], done[tile];
#pragma GCC unroll 6
            for (long y = 0; y < side; y++) column[y] = load(points + (y * side + x) * point_stride + c);
            from_points<tile>(column, done);
#pragma GCC unroll 4
            for (long y = 0; y < tile; y++) half[y][x] = done[y];
        }
        vec sum = load(sums + c);
#pragma GCC unroll 4
        for (long y = 0; y < tile; y++) {
            vec done[tile];
            from_points<tile>(half[y], done);
#pragma GCC unroll 4
            for (long x = 0; x < tile; x++) {
                if (y < rows && x < columns) sum += done[x];
                store(pixels + (y * tile + x) * growth + c, done[x]);
            }
        }
        store(sums + c, sum);
    }
}

// ---- The block ----

// How the work is divided: into bands, one row of tiles of an image each; some bands are multiplied together, of more
// than one image if need be.
struct Plan {
    long across, down, together;  // tiles in a band, bands in an image, bands at a time
    long strip_stride;            // floats from row to row of a band's input with its margin
    long in_stride, out_stride;   // floats from point to point; no powers of two: the cache has few places for those
    long side;
    long ahead;                   // pixels whose 1x1 convolution is done before all bands: all where rows are short

    Plan(const Block &block, long images, long height, long width)
        : across(divided_up(width, block.tile)), down(divided_up(height, block.tile)),
          together(across > TILES ? 1 : TILES / across), strip_stride((across * block.tile + 2) * block.channels),
          in_stride(together * across * block.channels + LANES), out_stride(together * across * block.growth + LANES),
          side(block.tile + 2), ahead(3 * width <= PIXELS ? images * height * width : 0) {}

    long space_floats(const Block &block) const {
        const long pixels = block.tile * block.tile * block.growth;
        return side * (strip_stride + side * (in_stride + out_stride)) + (PIXELS + ahead) * block.channels + pixels;
    }
};

template <long tile> struct Work {
    const Block &block;
    const Plan plan;
    const long images, height, width;
    const float *x;
    float *out, *means;
    const long channels, growth, side, to_column, to_row, to_image;
    float *strip, *in, *done, *buffer, *activated, *pixels;  // parts of the space

    Work(const Block &block, long images, long height, long width, const float *x, float *out, float *means,
         float *space)
        : block(block), plan(block, images, height, width), images(images), height(height), width(width), x(x),
          out(out), means(means), channels(block.channels), growth(block.growth), side(tile + 2),
          to_column(channels + growth), to_row(width / block.pool_frames * to_column),
          to_image(height / block.pool_mels * to_row), strip(space), in(strip + side * plan.strip_stride),
          done(in + side * side * plan.in_stride),
          buffer(done + side * side * plan.out_stride), activated(buffer + PIXELS * channels),
          pixels(activated + plan.ahead * channels) {}

    Pixels pooled(long image, long top, long left, long channel) const {
        const long y = top / block.pool_mels, x = left / block.pool_frames;
        return {out + image * to_image + y * to_row + x * to_column + channel, to_row, to_column};
    }

    // The 3x3 convolution's input for a band, with its margin; two rows of it are those of the band above.
    void fill_strip(long image, long top) const {
        const long kept = top == 0 ? 1 : 2, floats = width * channels;
        if (top == 0)
            clear(strip, plan.strip_stride);
        else
            move(strip, strip + tile * plan.strip_stride, 2 * plan.strip_stride);
        for (long y = kept; y < side; y++) {
            const long row = top - 1 + y;
            float *to = strip + y * plan.strip_stride;
            if (row >= height)
                clear(to, plan.strip_stride);
            else if (plan.ahead)
                move(to + channels, activated + (image * height + row) * floats, floats);
            else
                pointwise(block, x + (image * height + row) * floats, width, buffer, to + channels);
        }
    }

    void read_band(long band, long place) const {
        const long image = band / plan.down, top = band % plan.down * tile;
        fill_strip(image, top);
        const Pixels rows = {(float *)x + (image * height + top) * width * channels, width * channels, channels};
        pool(block, rows, smaller(tile, height - top), width, channels, pooled(image, top, 0, 0));
        for (long t = 0; t < plan.across; t++) {
            float *points = in + (place * plan.across + t) * channels;
            patch_to_points<tile>(strip + t * tile * channels, plan.strip_stride, channels, points, plan.in_stride);
        }
    }

    void multiply_points(long n_tiles) const {
        for (long p = 0; p < side * side; p++) {
            const float *weights = block.weight2 + p * channels * growth;
            multiply(in + p * plan.in_stride, weights, n_tiles, channels, growth, done + p * plan.out_stride, {});
        }
    }

    void write_band(long band, long place) const {
        const long image = band / plan.down, top = band % plan.down * tile, rows = smaller(tile, height - top);
        for (long t = 0; t < plan.across; t++) {
            const long left = t * tile, columns = smaller(tile, width - left);
            const float *points = done + (place * plan.across + t) * growth;
            points_to_tile<tile>(points, plan.out_stride, growth, rows, columns, pixels, means + image * growth);
            const Pixels from = {pixels, tile * growth, growth};
            pool(block, from, rows, columns, growth, pooled(image, top, left, channels));
        }
    }

    void run() const {
        clear(strip, side * plan.strip_stride);
        clear(means, images * growth);
        pointwise(block, x, plan.ahead, buffer, activated);
        for (long first = 0; first < images * plan.down; first += plan.together) {
            const long n = smaller(plan.together, images * plan.down - first);
            for (long place = 0; place < n; place++) read_band(first + place, place);
            multiply_points(n * plan.across);
            for (long place = 0; place < n; place++) write_band(first + place, place);
        }
        for (long i = 0; i < images * growth; i++) means[i] /= height * width;
    }
};
"""

WEIGHTS = """
// Lavin and Gray's matrix G; a tile of 1 has the weights themselves.
template <long tile> INLINE void weights_to_points(const vec *weights, vec *points) {
    const vec first = weights[0], middle = weights[1], last = weights[2];
    points[0] = tile == 4 ? first / 4 : first;
    points[tile + 1] = last;
    if (tile == 1) points[1] = middle;
    if (tile == 2) {
        points[1] = (first + last + middle) / 2;
        points[2] = (first + last - middle) / 2;
    }
    if (tile == 4) {
        points[1] = (first + last + middle) / -6;
        points[2] = (first + last - middle) / -6;
        points[3] = (first + 4 * last + 2 * middle) / 24;
        points[4] = (first + 4 * last - 2 * middle) / 24;
    }
}

template <long tile> static void pack(const float *weights, long channels, long growth, float *packed) {
    constexpr long side = tile + 2;
    const long width = Panels(growth).width;
    for (long g = 0; g < growth; g += LANES)
        for (long c = 0; c < channels; c++) {
            vec half[3][side];
#pragma GCC unroll 3
            for (long y = 0; y < 3; y++) {
                vec row[3];
                for (long x = 0; x < 3; x++)
                    for (long i = 0; i < LANES; i++) row[x][i] = weights[((g + i) * channels + c) * 9 + y * 3 + x];
                weights_to_points<tile>(row, half[y]);
            }
            float *to = packed + (g / width * channels + c) * width + g % width;
#pragma GCC unroll 6
            for (long x = 0; x < side; x++) {
                const vec column[3] = {half[0][x], half[1][x], half[2][x]};
                vec done[side];
                weights_to_points<tile>(column, done);
#pragma GCC unroll 6
                for (long y = 0; y < side; y++) store(to + (y * side + x) * channels * growth, done[y]);
            }
        }
}
"""

ENTRY_POINTS = """
// The weights of a 3x3 convolution, [growth, channels, 3, 3], as a block has them.
extern "C" void pack_weights(const float *weights, long channels, long growth, long tile, float *packed) {
    (tile == 1 ? pack<1> : tile == 2 ? pack<2> : pack<4>)(weights, channels, growth, packed);
}

// How many floats `dense_block` wants as its space.
extern "C" long space_floats(const Block *block, long images, long height, long width) {
    if (block->tile == 1) return SmallWork::space_floats(*block, images, height, width);
    return Plan(*block, images, height, width).space_floats(*block);
}

// A dense block without its gates.
//   x      [images, height, width, channels]
//   out    [images, height / pool_mels, width / pool_frames, channels + growth]: x and what is new, pooled
//   means  [images, growth] of what is new, before pooling
extern "C" void dense_block(
    const Block *block, long images, long height, long width, const float *x, float *out, float *means, float *space) {
    if (block->tile == 1)
        SmallWork(*block, images, height, width, x, out, means, space).run();
    else if (block->tile == 2)
        Work<2>(*block, images, height, width, x, out, means, space).run();
    else
        Work<4>(*block, images, height, width, x, out, means, space).run();
}

// What is new times its gates, [images, growth].
extern "C" void apply_gates(const Block *block, long images, long pixels, const float *gates, float *out) {
    const long stride = block->channels + block->growth;
    for (long image = 0; image < images; image++)
        for (long i = 0; i < pixels; i++) {
            float *pixel = out + (image * pixels + i) * stride + block->channels;
            for (long c = 0; c < block->growth; c += LANES)
                store(pixel + c, load(pixel + c) * load(gates + image * block->growth + c));
        }
}
"""

SOURCE = BLOCK + WINOGRAD + SMALL_IMAGES + WEIGHTS + ENTRY_POINTS

CODE = NativeCode(SOURCE)
