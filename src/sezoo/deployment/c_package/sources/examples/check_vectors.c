/* Runs the network on magnitudes.f32, and compares its masks with masks.f32, bit by bit: float32, frame after frame.
   Masks that are all the same would come from any magnitudes: they check nothing, which is an error. */
#include <string.h>

#include "files.h"
#include "sezoo_model.h"

static int8_t arena[SEZOO_ARENA_BYTES] __attribute__((aligned(16)));
static int32_t history[SEZOO_HISTORY_BYTES / 4];
static float magnitude[SEZOO_VALUES], mask[SEZOO_VALUES], wanted[SEZOO_VALUES], first[SEZOO_VALUES];

#ifdef SEZOO_MEASURE
void sezoo_trace(int32_t step) { (void)step; }
#endif

int main(int argc, char **argv)
{
    const int magnitudes = file_open(argc > 1 ? argv[1] : "magnitudes.f32", "rb");
    const int masks = file_open(argc > 2 ? argv[2] : "masks.f32", "rb");
    const int32_t bytes = (int32_t)sizeof mask;
    uint32_t frames = 0, calls = 0, differ = 0, others = 0;
    if (magnitudes < 0 || masks < 0) {
        print("magnitudes.f32 and masks.f32 are needed\n");
        return 2;
    }
    sezoo_model_begin((int8_t *)history);
    while (file_read(magnitudes, magnitude, bytes) == bytes) {
        for (int32_t t = 0; t < SEZOO_COMPUTED; ++t) {
            if (t > 0 && file_read(magnitudes, magnitude, bytes) != bytes) {
                print("magnitudes.f32 ends in the middle of a call\n");
                return 2;
            }
            sezoo_model_enter(arena, (int8_t *)history, magnitude, t);
        }
        sezoo_model_run(arena, (int8_t *)history, frames);
        frames += SEZOO_FRAMES_PER_CALL;
        ++calls;
        for (int32_t t = 0; t < SEZOO_FRAMES_PER_CALL; ++t) {
            sezoo_model_mask(arena, t, mask);
            if (file_read(masks, wanted, bytes) != bytes) {
                print("masks.f32 is too short\n");
                return 2;
            }
            differ += memcmp(mask, wanted, sizeof mask) != 0;
            if (calls == 1 && t == 0) {
                memcpy(first, wanted, sizeof first);
            }
            others += memcmp(first, wanted, sizeof first) != 0;
        }
    }
    file_close(magnitudes);
    file_close(masks);
    if (calls == 0 || differ > 0) {
        print(calls == 0 ? "magnitudes.f32 is empty\n" : "masks differ\n");
        return 1;
    }
    if (others == 0) {
        print("all masks of masks.f32 are the same: nothing was checked\n");
        return 1;
    }
    print("all masks are equal\n");
    return 0;
}
