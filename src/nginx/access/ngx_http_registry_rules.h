
/* The directives that make rules. */


#ifndef NGX_HTTP_REGISTRY_RULES_H_INCLUDED
#define NGX_HTTP_REGISTRY_RULES_H_INCLUDED


#include "ngx_http_registry_access.h"


/* "registry_allow" and "registry_deny"; the command's offset is 1 for allow */
char *ngx_http_registry_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* "registry_rules" */
char *ngx_http_registry_rules(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Warns of rules for groups that nobody is in. */
void ngx_http_registry_rules_check(ngx_conf_t *cf,
    ngx_http_registry_access_conf_t *conf);


#endif /* NGX_HTTP_REGISTRY_RULES_H_INCLUDED */
