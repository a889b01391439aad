
/*
 * Where things lie: distribution's layout, byte for byte, and our additions
 * where its walkers do not look.  All paths are relative to the root that the
 * "registry" directive names, without a leading slash.
 *
 *   docker/registry/v2/
 *     blobs/<alg>/<2 hex>/<hex>/data
 *     repositories/<name>/
 *       _layers/<alg>/<hex>/link
 *       _manifests/revisions/<alg>/<hex>/link
 *       _manifests/tags/<tag>/current/link
 *       _manifests/tags/<tag>/index/<alg>/<hex>/link
 *       _uploads/<uuid>/data  startedat  hashstates/<alg>/<offset>  owner
 *       _referrers/<alg>/<subject hex>/<alg>/<hex>/link          (ours)
 *       _referrers/scanned                                       (ours)
 *   docker/registry/nginx/                                       (ours)
 *     lock  tmp/  trash/  spare/  corrupt/<digest>  scrub  count  events/
 *     <job>.done
 *
 * The size of lock says which repository is quiet, see reg_quiet.h.
 * The data of a blob bears its size, see reg_fs_mark().
 */


#ifndef REG_LAYOUT_H_INCLUDED
#define REG_LAYOUT_H_INCLUDED


#include "reg_digest.h"
#include "reg_name.h"


/* the longest name and the longest tail behind it, with room to spare */
#define REG_PATH_MAX        1024

#define REG_LAYOUT_V2       "docker/registry/v2"
#define REG_LAYOUT_BLOBS    REG_LAYOUT_V2 "/blobs"
#define REG_LAYOUT_REPOS    REG_LAYOUT_V2 "/repositories"
#define REG_LAYOUT_OWN      "docker/registry/nginx"
#define REG_LAYOUT_EVENTS   REG_LAYOUT_OWN "/events"


typedef struct {
    size_t  len;
    char    s[REG_PATH_MAX];          /* NUL-terminated */
} reg_path_t;


/* blobs/<alg>/<2 hex>/<hex>/data */
void reg_layout_blob(reg_path_t *p, const reg_digest_t *d);

/* repositories/<name>, and a tail such as "/_layers" behind it */
void reg_layout_repo(reg_path_t *p, reg_str_t name, const char *tail);

void reg_layout_layer(reg_path_t *p, reg_str_t name, const reg_digest_t *d);
void reg_layout_revision(reg_path_t *p, reg_str_t name,
    const reg_digest_t *d);

/* .../tags/<tag>, and a tail such as "/current/link" */
void reg_layout_tag(reg_path_t *p, reg_str_t name, reg_str_t tag,
    const char *tail);
void reg_layout_tag_index(reg_path_t *p, reg_str_t name, reg_str_t tag,
    const reg_digest_t *d);

/* .../_uploads/<id>, and a tail such as "/data" */
void reg_layout_upload(reg_path_t *p, reg_str_t name, reg_str_t id,
    const char *tail);

/* .../_referrers/<alg>/<hex> of a subject; with d the link of one referrer */
void reg_layout_referrers(reg_path_t *p, reg_str_t name,
    const reg_digest_t *subject, const reg_digest_t *d);


#endif /* REG_LAYOUT_H_INCLUDED */
