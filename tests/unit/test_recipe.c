/* SPDX-License-Identifier: MIT */
/* Recipes: what is understood, what is refused and where, and what changes the key of a step. */
#include "lib/recipe/recipe.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "image = physics\nbase = debian:stable\n"

static int parse(const char *text, struct cr_recipe *ret_recipe, struct cr_error *err)
{
    return cr_recipe_parse("lab.recipe", text, strlen(text), ret_recipe, err);
}

static void everything_is_understood(void **state)
{
    struct cr_recipe recipe = {0};
    struct cr_error err = {""};
    (void)state;
    assert_int_equal(parse("# a comment\r\n"
                           "image = physics\n  base=debian:stable \n"
                           "message = what it is = for\nnetwork = yes\nmemory = 2G\ntimeout = 5\n"
                           "package-folder = my debs\n\n"
                           "packages = vim\tgcc:amd64 libc6=2.36-9+deb12u1\n"
                           "remove = nano\n"
                           "file = a b/c.txt -> /opt/d e/c.txt owner=7:8 mode=4755\n"
                           "file = x->y -> /etc/z\n"
                           "script = set up.sh\n"
                           "run = echo a = b; # not a comment\n"
                           "hostname = lab-1.example.org",
                           &recipe, &err),
                     0);
    assert_string_equal(recipe.image, "physics");
    assert_string_equal(recipe.base.name, "debian");
    assert_string_equal(recipe.base.channel, "stable");
    assert_string_equal(recipe.message, "what it is = for");
    assert_true(recipe.network);
    assert_int_equal(recipe.memory_bytes, 2 * CR_GIB);
    assert_int_equal(recipe.timeout_minutes, 5);
    assert_string_equal(recipe.package_folder, "my debs");
    assert_int_equal(recipe.count, 7);
    assert_int_equal(recipe.steps[0].kind, CR_STEP_PACKAGES);
    assert_int_equal(recipe.steps[0].line, 10);
    const struct cr_step *file = &recipe.steps[2];
    assert_string_equal(file->value, "a b/c.txt -> /opt/d e/c.txt owner=7:8 mode=4755");
    assert_string_equal(file->local, "a b/c.txt");
    assert_string_equal(file->remote, "/opt/d e/c.txt");
    assert_int_equal(file->mode, 04755);
    assert_int_equal(file->uid, 7);
    assert_int_equal(file->gid, 8);
    assert_string_equal(recipe.steps[3].local, "x->y");
    assert_int_equal(recipe.steps[3].mode, 0644);
    assert_string_equal(recipe.steps[4].local, "set up.sh");
    assert_string_equal(recipe.steps[5].value, "echo a = b; # not a comment");
    cr_recipe_done(&recipe);
}

static void a_base_may_be_a_version_of_the_image_itself(void **state)
{
    struct cr_recipe recipe = {0};
    (void)state;
    assert_int_equal(parse("image = a\nbase = a@3\nrun = true\n", &recipe, NULL), 0);
    assert_int_equal(recipe.base.number, 3);
    assert_false(recipe.network);
    cr_recipe_done(&recipe);
}

/* The text of a recipe, and words of the sentence that refuses it. */
static const char *const refused[][2] = {
    {"", "does not say 'image"},
    {"image = a\n", "does not say 'base"},
    {HEAD, "it has no step"},
    {"image = a\nbase = a\nrun = true\n", "from its own newest version"},
    {HEAD "run = x\nwalk = y\n", "line 4: unknown key 'walk'"},
    {HEAD "run = x\nrun x\n", "line 4: 'run x' is not 'key = value'"},
    {HEAD "run =\n", "line 3: nothing stands behind 'run ='"},
    {HEAD "= x\n", "line 3: '= x' is not"},
    {HEAD "base = b\n", "line 3: 'base' stands there a second time"},
    {HEAD "run = x\nnetwork = yes\n", "line 4: 'network' is a setting"},
    {"image = a@1\n", "line 1: 'a@1' names a version"},
    {"image = a:stable\n", "line 1: 'a:stable' names a version"},
    {"image = a/b\n", "line 1: "},
    {"image = a.steps\n", "line 1: names that end with '.steps'"},
    {"image = a123456789012345678901234567890123456789012345678901234567890\n", "longer than 58"},
    {"image = a\nbase = ../b\n", "line 2: "},
    {HEAD "network = maybe\n", "line 3: 'maybe' is no value"},
    {HEAD "memory = 1\n", "line 3: '1' is no memory size"},
    {HEAD "memory = 99999999999999999999G\n", "is no memory size"},
    {HEAD "timeout = 0\n", "line 3: '0' is no number of minutes"},
    {HEAD "timeout = 10081\n", "1 to 10080"},
    {HEAD "package-folder = ..\n", "line 3: '..' leads out of the recipe's folder"},
    {HEAD "package-folder = /srv/debs\n", "leads out of the recipe's folder"},
    {HEAD "packages = vim\n", "line 3: nowhere to take packages from"},
    {HEAD "remove = a;b\n", "line 3: 'a;b' is no name of a package"},
    {HEAD "remove = -o\n", "'-o' is no name of a package"},
    {HEAD "remove = a $(reboot)\n", "'$(reboot)' is no name of a package"},
    {HEAD "file = a\n", "line 3: 'a' is not 'LOCAL -> /PATH'"},
    {HEAD "file = a->/b\n", "is not 'LOCAL -> /PATH'"},
    {HEAD "file = -> /b\n", "is not 'LOCAL -> /PATH'"},
    {HEAD "file = a -> b\n", "'b' is no path of a file in the image"},
    {HEAD "file = a -> /\n", "'/' is no path"},
    {HEAD "file = a -> /b/../c\n", "is no path of a file"},
    {HEAD "file = a -> /b//c\n", "is no path of a file"},
    {HEAD "file = ../a -> /b\n", "'../a' leads out"},
    {HEAD "file = a/./b -> /b\n", "'a/./b' leads out"},
    {HEAD "file = a -> /b mode=9\n", "'mode=9' is no mode"},
    {HEAD "file = a -> /b mode=17777\n", "is no mode"},
    {HEAD "file = a -> /b mode=644 mode=644\n", "is said twice"},
    {HEAD "file = a -> /b owner=root\n", "'owner=root' is no owner"},
    {HEAD "file = a -> /b owner=1:4294967296\n", "is no owner"},
    {HEAD "script = /etc/passwd\n", "'/etc/passwd' leads out"},
    {HEAD "hostname = a b\n", "'a b' is no host name"},
    {HEAD "hostname = -a\n", "is no host name"},
    {HEAD "hostname = a..b\n", "is no host name"},
    {HEAD "hostname = a'b\n", "is no host name"},
    {HEAD "run = a\001b\n", "line 3: byte 0x01 is no text"},
    {HEAD "run = \xff\n", "line 3: it is not UTF-8"},
    {HEAD "run = \xed\xa0\x80\n", "it is not UTF-8"},
    {HEAD "run = \xc0\xaf\n", "it is not UTF-8"},
    {HEAD "run = \xe2\x82\n", "it is not UTF-8"},
};

static void a_hostile_recipe_is_refused_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(refused); i++) {
        struct cr_recipe recipe = {.count = 4711};
        struct cr_error err = {""};
        assert_true(parse(refused[i][0], &recipe, &err) < 0);
        if (strstr(err.text, refused[i][1]) == NULL)
            fail_msg("'%s' does not hold '%s'", err.text, refused[i][1]);
        assert_non_null(strstr(err.text, "reading recipe 'lab.recipe'"));
        assert_int_equal(recipe.count, 4711);
    }
}

static void what_is_too_much_is_refused(void **state)
{
    struct cr_recipe recipe;
    struct cr_error err = {""};
    size_t len = 0;
    static char text[CR_RECIPE_BYTES_MAX + 2];
    (void)state;
    memset(text, '\n', sizeof(text));
    assert_int_equal(cr_recipe_parse("x", text, sizeof(text), &recipe, &err), -EMSGSIZE);
    len = (size_t)snprintf(text, sizeof(text), HEAD);
    for (unsigned i = 0; i < CR_RECIPE_STEPS_MAX + 1; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "run = true\n");
    assert_int_equal(parse(text, &recipe, &err), -EINVAL);
    assert_non_null(strstr(err.text, "line 203: a recipe has at most 200 steps"));
    len = (size_t)snprintf(text, sizeof(text), HEAD "run = ");
    memset(text + len, 'a', CR_RECIPE_LINE_BYTES_MAX);
    text[len + CR_RECIPE_LINE_BYTES_MAX] = '\0';
    assert_int_equal(parse(text, &recipe, &err), -EINVAL);
    assert_non_null(strstr(err.text, "line 3: it has 4102 bytes"));
    text[len + CR_RECIPE_LINE_BYTES_MAX - 6] = '\0';
    assert_int_equal(parse(text, &recipe, &err), 0);
    cr_recipe_done(&recipe);
}

/* The keys of the steps of `text`, on `root`, whose last step uses `content`. */
static void keys_of(const char *text, unsigned root, const struct cr_id *content,
                    struct cr_id *keys)
{
    struct cr_recipe recipe = {0};
    struct cr_id before = {.bytes = {(uint8_t)root}};
    assert_int_equal(parse(text, &recipe, NULL), 0);
    for (unsigned i = 0; i < recipe.count; i++) {
        cr_recipe_step_key(&recipe, &recipe.steps[i], &before,
                           i + 1 == recipe.count ? content : NULL, &keys[i]);
        before = keys[i];
    }
    cr_recipe_done(&recipe);
}

static void a_change_changes_the_key_of_its_step_and_of_those_behind(void **state)
{
    const char *const plain = HEAD "run = a\nrun = b\nscript = c\n";
    const struct cr_id content = {.bytes = {1}}, other = {.bytes = {2}};
    struct cr_id first[3], again[3], changed[3];
    (void)state;
    keys_of(plain, 1, &content, first);
    keys_of("# comment\n" HEAD "message = m\n\nrun = a\nrun =  b\n script = c", 1, &content, again);
    assert_memory_equal(first, again, sizeof(first)); /* what the result does not depend on */
    keys_of(HEAD "run = a\nrun = B\nscript = c\n", 1, &content, changed);
    assert_memory_equal(&first[0], &changed[0], sizeof(first[0]));
    assert_memory_not_equal(&first[1], &changed[1], sizeof(first[0]));
    assert_memory_not_equal(&first[2], &changed[2], sizeof(first[0]));
    keys_of(plain, 1, &other, changed); /* another content of the file */
    assert_memory_equal(&first[1], &changed[1], sizeof(first[0]));
    assert_memory_not_equal(&first[2], &changed[2], sizeof(first[0]));
    keys_of(plain, 2, &content, changed); /* another base */
    assert_memory_not_equal(&first[0], &changed[0], sizeof(first[0]));
    keys_of(HEAD "network = yes\nrun = a\nrun = b\nscript = c\n", 1, &content, changed);
    assert_memory_not_equal(&first[0], &changed[0], sizeof(first[0]));
    keys_of(HEAD "script = a\nrun = b\nscript = c\n", 1, &content, changed); /* another kind */
    assert_memory_not_equal(&first[0], &changed[0], sizeof(first[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_understood),
        cmocka_unit_test(a_base_may_be_a_version_of_the_image_itself),
        cmocka_unit_test(a_hostile_recipe_is_refused_with_its_line),
        cmocka_unit_test(what_is_too_much_is_refused),
        cmocka_unit_test(a_change_changes_the_key_of_its_step_and_of_those_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
