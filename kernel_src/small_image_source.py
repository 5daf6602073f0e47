"""The C++ code of a dense block for images of a few pixels, whose 3x3 convolution is computed as it is written."""

SMALL_IMAGES = """
// Pixels come before images, so that a weight meets the same pixel of all images in turn, and panels before pixels: the
// weights, which are many, are read from memory once.
struct SmallWork {
    const Block &block;
    const long images, height, width, pixels, channels, growth;
    const float *x;
    float *out, *means;
    float *sorted, *activated, *done, *buffer;  // parts of the space

    SmallWork(const Block &block, long images, long height, long width, const float *x, float *out, float *means,
              float *space)
        : block(block), images(images), height(height), width(width), pixels(height * width),
          channels(block.channels), growth(block.growth), x(x), out(out), means(means), sorted(space),
          activated(sorted + pixels * images * channels), done(activated + pixels * images * channels),
          buffer(done + pixels * images * growth) {}

    static long space_floats(const Block &block, long images, long height, long width) {
        return height * width * images * (2 * block.channels + block.growth) + PIXELS * block.channels;
    }

    // One of the nine weights of each pair of channels, from the pixels that lie (down, across) of those it adds to.
    void add_panel(const Panels &panels, long column, long down, long across) const {
        const float *weights = block.weight2 + ((down + 1) * 3 + across + 1) * channels * growth + column * channels;
        const bool middle = down == 0 && across == 0;
        const long top = larger_of(0, -down), bottom = smaller(height, height - down);
        const long left = larger_of(0, -across), right = smaller(width, width - across);
        const long rows_at_once = across == 0 ? bottom - top : 1;
        for (long y = top; y < bottom; y += rows_at_once) {
            const float *from = activated + ((y + down) * width + left + across) * images * channels;
            float *to = done + (y * width + left) * images * growth + column;
            const long n = rows_at_once * (right - left) * images;
            panels.multiply_one(from, weights, n, channels, to, growth, {!middle, nullptr});
        }
    }

    void convolve() const {
        const Panels panels(growth);
        for (long column = 0; column < growth; column += panels.width) {
            add_panel(panels, column, 0, 0);  // which every pixel has, and so it comes first
            for (long down = -1; down <= 1; down++)
                for (long across = -1; across <= 1; across++)
                    if (down != 0 || across != 0) add_panel(panels, column, down, across);
        }
    }

    void average() const {
        for (long c = 0; c < images * growth; c += LANES) {
            vec sum{};
            for (long i = 0; i < pixels; i++) sum += load(done + i * images * growth + c);
            store(means + c, sum / (float)pixels);
        }
    }

    void pool_image(long image) const {
        const long to_column = channels + growth, to_row = width / block.pool_frames * to_column;
        float *first = out + image * (height / block.pool_mels) * to_row;
        const Pixels old = {(float *)x + image * pixels * channels, width * channels, channels};
        pool(block, old, height, width, channels, {first, to_row, to_column});
        const Pixels added = {done + image * growth, width * images * growth, images * growth};
        pool(block, added, height, width, growth, {first + channels, to_row, to_column});
    }

    void run() const {
        for (long image = 0; image < images; image++)
            for (long i = 0; i < pixels; i++)
                move(sorted + (i * images + image) * channels, x + (image * pixels + i) * channels, channels);
        pointwise(block, sorted, pixels * images, buffer, activated);
        convolve();
        average();
        for (long image = 0; image < images; image++) pool_image(image);
    }
};
"""
