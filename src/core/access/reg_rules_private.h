
/* The inside of the rules, for reg_rules.c and reg_access.c. */


#ifndef REG_RULES_PRIVATE_H_INCLUDED
#define REG_RULES_PRIVATE_H_INCLUDED


#include "reg_rules.h"


typedef enum {
    REG_WHO_EVERYBODY = 0,
    REG_WHO_ANONYMOUS,            /* nobody has logged in */
    REG_WHO_AUTHENTICATED,
    REG_WHO_USER,
    REG_WHO_GROUP
} reg_who_e;


typedef struct {
    reg_who_e        who;
    unsigned         allow:1;
    unsigned         may;         /* bits of REG_MAY_* */
    reg_str_t        name;        /* of the user or group; text is its owner */
    char            *text;
    reg_pattern_t  **patterns;
    size_t           n;
} reg_rule_t;


struct reg_rules_s {
    reg_rule_t  *rules;
    size_t       n;
    size_t       size;
    unsigned     stand:1;         /* there are rules, be it none */
};


#endif /* REG_RULES_PRIVATE_H_INCLUDED */
