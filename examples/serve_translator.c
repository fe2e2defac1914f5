/* Serving a translator: threads that share one model answer requests, and the answers come out in
 * the order of the questions.
 *
 *     cc -std=c17 -O2 -pthread serve_translator.c $(pkg-config --cflags --libs wengert) -o serve
 *     wengert translate export --model model --source-language en --target-language fr -o en-fr.npz
 *     ./serve en-fr.npz 4 < questions.txt
 *
 * A network server would differ in where lines come from and go to, in nothing else. */
#include <wengert.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 64, WAITING = 256 };

/* A request: a line, and what became of it. */
typedef struct request {
    char line[4096];
    wg_translated *answer; /* NULL: it failed, `error` says why */
    wg_error error;
    bool done;
} request;

/* A ring of requests; `next` is the first that no thread has taken, `in` the end. */
typedef struct server {
    wg_translator *translator;
    request ring[WAITING];
    long out, next, in;
    bool ended;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} server;

static void *work(void *user)
{
    server *s = user;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (s->next == s->in && !s->ended) pthread_cond_wait(&s->changed, &s->lock);
        if (s->next == s->in) break;
        request *r = &s->ring[s->next++ % WAITING];
        pthread_mutex_unlock(&s->lock);
        const char *line = r->line;
        wg_status status = wg_translator_run(s->translator, &line, 1, NULL, &r->answer, &r->error);
        if (status != WG_OK) r->answer = NULL;
        pthread_mutex_lock(&s->lock);
        r->done = true;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Writes the oldest answer, once it is there. The lock is held. */
static void answer(server *s)
{
    request *r = &s->ring[s->out % WAITING];
    while (!r->done) pthread_cond_wait(&s->changed, &s->lock);
    if (!r->answer)
        printf("error: %s\n", r->error.message);
    else
        puts(r->answer->line[0].count ? r->answer->line[0].best[0].text : "");
    wg_translated_free(r->answer);
    r->answer = NULL;
    s->out++;
}

static void serve(server *s)
{
    char line[sizeof s->ring[0].line];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = '\0';
        pthread_mutex_lock(&s->lock);
        if (s->in - s->out == WAITING) answer(s);
        request *r = &s->ring[s->in++ % WAITING];
        memcpy(r->line, line, sizeof line);
        r->done = false;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    pthread_cond_broadcast(&s->changed);
    while (s->out < s->in) answer(s);
    pthread_mutex_unlock(&s->lock);
}

int main(int argc, char **argv)
{
    int threads = argc > 2 ? atoi(argv[2]) : 2, started = 0;
    if (argc < 2 || threads < 1 || threads > MOST_THREADS) {
        fprintf(stderr, "usage: %s MODEL.npz [THREADS] < lines\n", argv[0]);
        return 2;
    }
    wg_error err = {0};
    pthread_t thread[MOST_THREADS];
    server *s = calloc(1, sizeof *s);
    if (!s) return 2;
    if (wg_translator_open(argv[1], &s->translator, &err) != WG_OK) {
        fprintf(stderr, "%s\n", err.message);
        free(s);
        return 2;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    while (started < threads && pthread_create(&thread[started], NULL, work, s) == 0) started++;
    if (started > 0) serve(s);
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
    wg_translator_close(s->translator);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return started > 0 ? 0 : 2;
}
