
/* Clients that guess passwords while something else is measured. */

#include "load.h"
#include "util.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>


#define GUESS_STACK  (256 * 1024)


typedef struct {
    load_guess_t   *all;
    unsigned        number;
    pthread_t       thread;
    http_target_t   target;
    http_conn_t     conn;
} guess_t;


struct load_guess_s {
    unsigned        n;
    guess_t        *clients;
    atomic_int      stop;
};


static void *guess_client(void *data);


load_guess_t *
load_guess_start(const load_opt_t *opt)
{
    unsigned         i;
    guess_t         *g;
    load_guess_t    *all;
    pthread_attr_t   attr;

    all = xalloc(sizeof(load_guess_t));
    memset(all, 0, sizeof(load_guess_t));

    all->n = opt->guesses;
    all->clients = xalloc(all->n * sizeof(guess_t));
    memset(all->clients, 0, all->n * sizeof(guess_t));

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, GUESS_STACK);

    for (i = 0; i < all->n; i++) {
        g = &all->clients[i];

        g->all = all;
        g->number = i;
        http_target(&g->target, opt->url);
        http_conn_init(&g->conn, &g->target);

        if (pthread_create(&g->thread, &attr, guess_client, g) != 0) {
            die("cannot start a thread");
        }
    }

    pthread_attr_destroy(&attr);

    return all;
}


/* One user each, a new password every time, and no pause. */

static void *
guess_client(void *data)
{
    guess_t *g = data;

    char             *user, *login;
    uint64_t          i;
    http_request_t    q;
    http_response_t   r;

    memset(&q, 0, sizeof(http_request_t));
    q.method = "GET";
    q.path = "/v2/";

    for (i = 0; !g->all->stop; i++) {
        user = xprintf("user%u:guess%llu", g->number, (unsigned long long) i);
        login = http_login(user);

        g->target.login = login;

        if (http_do(&g->conn, &q, &r) == -1) {
            die("guessing: %s", g->conn.error);
        }

        if (r.status != 401 && r.status != 429) {
            die("guessing: status %d", r.status);
        }

        g->target.login = "";
        free(login);
        free(user);
    }

    return NULL;
}


void
load_guess_stop(load_guess_t *all)
{
    unsigned  i;

    all->stop = 1;

    for (i = 0; i < all->n; i++) {
        pthread_join(all->clients[i].thread, NULL);
        http_conn_free(&all->clients[i].conn);
    }

    free(all->clients);
    free(all);
}
