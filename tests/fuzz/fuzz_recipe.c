/* SPDX-License-Identifier: MIT */
/* Input: a recipe. What is taken stays inside its folder, and every step has a key. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/recipe/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cr_recipe recipe = {.count = 4711};
    struct cr_error err = {""};
    if (cr_recipe_parse("fuzz", data, size, &recipe, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && recipe.count == 4711);
        return 0;
    }
    REQUIRE(recipe.image[0] != '\0' && recipe.base.name[0] != '\0');
    REQUIRE(recipe.count >= 1 && recipe.count <= CR_RECIPE_STEPS_MAX);
    struct cr_id key = {0};
    for (unsigned i = 0; i < recipe.count; i++) {
        const struct cr_step *step = &recipe.steps[i];
        REQUIRE(step->value[0] != '\0' && strlen(step->value) <= CR_RECIPE_LINE_BYTES_MAX);
        REQUIRE(step->local == NULL ||
                (step->local[0] != '/' && strncmp(step->local, "../", 3) != 0 &&
                 strstr(step->local, "/../") == NULL));
        REQUIRE(step->remote == NULL ||
                (step->remote[0] == '/' && strstr(step->remote, "/../") == NULL));
        REQUIRE(step->mode <= 07777);
        cr_recipe_step_key(&recipe, step, &key, NULL, &key);
    }
    cr_recipe_done(&recipe);
    return 0;
}
