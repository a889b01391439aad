
#include "reg_groups.h"
#include "reg_index.h"
#include "reg_lines.h"

#include <stdlib.h>
#include <string.h>


/* a member's key: the number of the group, then the user */
#define REG_GROUPS_NUMBER  sizeof(uint32_t)


struct reg_groups_s {
    reg_index_t   groups;
    reg_index_t   members;
    char        **blocks;         /* the keys' bytes, one block a line */
    size_t        n;
    size_t        size;
    unsigned      open:1;
};


static int reg_groups_line(void *ctx, reg_str_t line, const char **why);
static char *reg_groups_block(reg_groups_t *g, size_t size);
static int reg_groups_group(reg_groups_t *g, char *p, reg_str_t group,
    uint32_t *number);


reg_groups_t *
reg_groups_parse(reg_str_t text, reg_skip_pt skip, void *data, reg_why_t *why)
{
    reg_lines_t    lines;
    reg_groups_t  *g;

    if (text.len > REG_LINES_FILE_MAX) {
        (void) reg_why_set(why, "the group file is larger than %d bytes",
                           REG_LINES_FILE_MAX);
        return NULL;
    }

    g = calloc(1, sizeof(reg_groups_t));

    if (g == NULL) {
        goto nomem;
    }

    reg_index_init(&g->groups);
    reg_index_init(&g->members);
    reg_lines_init(&lines, text);

    if (reg_lines_each(&lines, reg_groups_line, g, skip, data) != 0) {
        goto nomem;
    }

    g->open = lines.open;

    return g;

nomem:

    reg_groups_free(g);

    (void) reg_why_set(why, "out of memory");

    return NULL;
}


int
reg_group_valid(reg_str_t s)
{
    return s.len <= REG_GROUP_MAX && reg_user_valid(s)
           && memchr(s.data, ' ', s.len) == NULL
           && memchr(s.data, ':', s.len) == NULL;
}


/* A reg_lines_pt. */

static int
reg_groups_line(void *ctx, reg_str_t line, const char **why)
{
    int            rc;
    char          *p;
    size_t         n;
    uint32_t       number;
    reg_str_t      group, rest, user, key;
    const char    *colon, *pos;
    reg_groups_t  *g;

    g = ctx;
    colon = memchr(line.data, ':', line.len);

    if (colon == NULL) {
        *why = "no colon behind the group";
        return -1;
    }

    group.data = line.data;
    group.len = (size_t) (colon - line.data);

    if (!reg_group_valid(group)) {
        *why = "the name of the group is empty, too long or no name";
        return -1;
    }

    /* each member but the first has a blank before it */

    n = 1;

    for (pos = colon; pos < line.data + line.len; pos++) {
        n += (*pos == ' ' || *pos == '\t');
    }

    p = reg_groups_block(g, line.len + n * REG_GROUPS_NUMBER);

    if (p == NULL || reg_groups_group(g, p, group, &number) != 0) {
        return -1;
    }

    p += group.len;

    rest.data = colon + 1;
    rest.len = line.len - group.len - 1;

    while ((rc = reg_lines_word(&rest, &user)) == 1) {

        if (!reg_user_valid(user)) {
            *why = "the name of a member is empty, too long or no text";
            return -1;
        }

        memcpy(p, &number, REG_GROUPS_NUMBER);
        memcpy(p + REG_GROUPS_NUMBER, user.data, user.len);

        key.data = p;
        key.len = REG_GROUPS_NUMBER + user.len;

        if (reg_index_add(&g->members, key) < 0) {
            return -1;
        }

        p += key.len;
    }

    if (rc < 0) {
        *why = "a quote has no end, or no blank behind it";
        return -1;
    }

    return 0;
}


static char *
reg_groups_block(reg_groups_t *g, size_t size)
{
    char   *p, **blocks;
    size_t  n;

    if (g->n == g->size) {
        n = (g->size == 0) ? 16 : g->size * 2;
        blocks = realloc(g->blocks, n * sizeof(char *));

        if (blocks == NULL) {
            return NULL;
        }

        g->blocks = blocks;
        g->size = n;
    }

    p = malloc(size);

    if (p != NULL) {
        g->blocks[g->n++] = p;
    }

    return p;
}


/* The number of the group, which is added when this is its first line. */

static int
reg_groups_group(reg_groups_t *g, char *p, reg_str_t group, uint32_t *number)
{
    reg_str_t  key;

    memcpy(p, group.data, group.len);

    key.data = p;
    key.len = group.len;

    if (reg_index_add(&g->groups, key) < 0) {
        return -1;
    }

    *number = (uint32_t) reg_index_find(&g->groups, key);

    return 0;
}


void
reg_groups_free(reg_groups_t *g)
{
    size_t  i;

    if (g == NULL) {
        return;
    }

    for (i = 0; i < g->n; i++) {
        free(g->blocks[i]);
    }

    free(g->blocks);
    reg_index_free(&g->groups);
    reg_index_free(&g->members);
    free(g);
}


int
reg_groups_has(const reg_groups_t *g, reg_str_t group, reg_str_t user)
{
    char       text[REG_GROUPS_NUMBER + REG_USER_MAX];
    size_t     i;
    uint32_t   number;
    reg_str_t  key;

    if (g == NULL || user.len == 0 || user.len > REG_USER_MAX) {
        return 0;
    }

    i = reg_index_find(&g->groups, group);

    if (i == REG_INDEX_NONE) {
        return 0;
    }

    number = (uint32_t) i;

    memcpy(text, &number, REG_GROUPS_NUMBER);
    memcpy(text + REG_GROUPS_NUMBER, user.data, user.len);

    key.data = text;
    key.len = REG_GROUPS_NUMBER + user.len;

    return reg_index_find(&g->members, key) != REG_INDEX_NONE;
}


int
reg_groups_known(const reg_groups_t *g, reg_str_t group)
{
    return g != NULL && reg_index_find(&g->groups, group) != REG_INDEX_NONE;
}


int
reg_groups_open(const reg_groups_t *g)
{
    return g->open;
}
