/*
 * What the sanitizers of a test build are told, linked into nginx: it passes
 * no environment on to the binary that replaces it in an upgrade, so
 * ASAN_OPTIONS alone would be lost there (when set, it still overrules).
 *
 * REPORTS is the folder that reports go to, beside the lines in error.log.
 */


const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);
const char *__lsan_default_options(void);
const char *__lsan_default_suppressions(void);


const char *
__asan_default_options(void)
{
    return "log_path=" REPORTS "/report:detect_stack_use_after_return=1";
}


const char *
__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}


/*
 * nginx keeps the time in words that others read while it is updated, reads a
 * lock before it takes it, ends its threads by a word that they clear, frees
 * what they wait for when a worker exits, and does not ask what the event loop
 * or another thread does when they wake it.  A name is looked for in all of a
 * stack: of what calls the registry none may stand here, or what a thread hands
 * over wrongly is not told.
 */

const char *
__tsan_default_options(void)
{
    return "log_path=" REPORTS "/report:report_thread_leaks=0"
           ":report_signal_unsafe=0:print_suppressions=0";
}


const char *
__tsan_default_suppressions(void)
{
    return "race:ngx_time_update\n"
           "race:ngx_spinlock\n"
           "race:ngx_thread_pool_exit_handler\n"
           "race:ngx_thread_pool_destroy\n"
           "race:ngx_worker_process_exit\n"
           "race:^ngx_epoll_notify$\n";
}


const char *
__lsan_default_options(void)
{
    return "print_suppressions=0";
}


/*
 * nginx gives back its configuration only when a worker ends in good order,
 * not when `nginx -t` ends, when it does not start, or when a worker exits at
 * once.  What requests leave behind is still found.
 */

const char *
__lsan_default_suppressions(void)
{
    return "leak:ngx_init_cycle\n"
           "leak:ngx_create_pool\n"
           "leak:ngx_event_process_init\n";
}
