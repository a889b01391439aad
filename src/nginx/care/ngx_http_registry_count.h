
/*
 * What a store holds, for the metrics: counted in the background, as a job of
 * the maintenance (reg_count.h).
 */


#ifndef NGX_HTTP_REGISTRY_COUNT_H_INCLUDED
#define NGX_HTTP_REGISTRY_COUNT_H_INCLUDED


#include "ngx_http_registry_maintenance.h"


extern const ngx_http_registry_job_t  ngx_http_registry_count_job;


#endif /* NGX_HTTP_REGISTRY_COUNT_H_INCLUDED */
