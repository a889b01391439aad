
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "reg_names.h"

#include <stdlib.h>
#include <string.h>


static size_t reg_names_search(const reg_names_t *list, reg_str_t key,
    int behind);
static int reg_names_compare(const void *a, const void *b, void *text);
static size_t reg_names_new(const reg_names_t *list, uint32_t *tail,
    size_t n);


void
reg_names_free(reg_names_t *list)
{
    free(list->text);
    free(list->at);

    memset(list, 0, sizeof(reg_names_t));
}


int
reg_names_add(reg_names_t *list, reg_str_t name)
{
    void    *p;
    size_t   n;

    if (list->size - list->len < name.len + 1) {
        n = list->size ? list->size : 1024;

        while (n - list->len < name.len + 1) {
            n *= 2;
        }

        if (n > UINT32_MAX || (p = realloc(list->text, n)) == NULL) {
            return -1;
        }

        list->text = p;
        list->size = n;
    }

    if (list->n == list->max) {
        n = list->max ? list->max * 2 : 64;
        p = realloc(list->at, n * sizeof(uint32_t));

        if (p == NULL) {
            return -1;
        }

        list->at = p;
        list->max = n;
    }

    list->at[list->n++] = (uint32_t) list->len;

    memcpy(list->text + list->len, name.data, name.len);
    list->len += name.len;
    list->text[list->len++] = '\0';

    return 0;
}


int
reg_names_sort(reg_names_t *list)
{
    size_t     n, place, end;
    uint32_t  *tail;

    n = list->n - list->sorted;

    if (n == 0) {
        return 0;
    }

    qsort_r(list->at + list->sorted, n, sizeof(uint32_t), reg_names_compare,
            list->text);

    tail = malloc(n * sizeof(uint32_t));

    if (tail == NULL) {
        list->n = list->sorted;
        return -1;
    }

    memcpy(tail, list->at + list->sorted, n * sizeof(uint32_t));

    n = reg_names_new(list, tail, n);

    end = list->sorted;
    list->n = list->sorted + n;

    /* from the last on, the block behind each moves to where it will stay */

    while (n > 0) {
        list->sorted = end;
        place = reg_names_after(list, reg_str_of(list->text + tail[n - 1]));

        memmove(list->at + place + n, list->at + place,
                (end - place) * sizeof(uint32_t));

        list->at[place + n - 1] = tail[n - 1];

        end = place;
        n--;
    }

    list->sorted = list->n;

    free(tail);

    return 0;
}


/* Leaves in a sorted tail what the list has not, once each. */

static size_t
reg_names_new(const reg_names_t *list, uint32_t *tail, size_t n)
{
    size_t      i, kept;
    reg_str_t   name;

    kept = 0;

    for (i = 0; i < n; i++) {
        name = reg_str_of(list->text + tail[i]);

        if (reg_names_has(list, name)
            || (kept > 0
                && reg_str_eq(name,
                              reg_str_of(list->text + tail[kept - 1]))))
        {
            continue;
        }

        tail[kept++] = tail[i];
    }

    return kept;
}


static int
reg_names_compare(const void *a, const void *b, void *text)
{
    return strcmp((char *) text + *(const uint32_t *) a,
                  (char *) text + *(const uint32_t *) b);
}


reg_str_t
reg_names_get(const reg_names_t *list, size_t i)
{
    return reg_str_of(list->text + list->at[i]);
}


size_t
reg_names_after(const reg_names_t *list, reg_str_t key)
{
    return reg_names_search(list, key, 1);
}


size_t
reg_names_from(const reg_names_t *list, reg_str_t key)
{
    return reg_names_search(list, key, 0);
}


int
reg_names_has(const reg_names_t *list, reg_str_t name)
{
    size_t  i;

    i = reg_names_from(list, name);

    return i < list->sorted && reg_str_eq(reg_names_get(list, i), name);
}


static size_t
reg_names_search(const reg_names_t *list, reg_str_t key, int behind)
{
    int     order;
    size_t  low, high, mid;

    low = 0;
    high = list->sorted;

    while (low < high) {
        mid = low + (high - low) / 2;
        order = reg_str_cmp(reg_names_get(list, mid), key);

        if (order > 0 || (order == 0 && !behind)) {
            high = mid;

        } else {
            low = mid + 1;
        }
    }

    return low;
}


size_t
reg_names_bytes(const reg_names_t *list)
{
    return list->size + list->max * sizeof(uint32_t);
}
