
/* The version of the registry, which registry_build_info, the User-Agent of
   webhooks and "registryctl --version" tell. */


#ifndef REG_VERSION_H_INCLUDED
#define REG_VERSION_H_INCLUDED


#define REG_VERSION  "0.1.0"


#endif /* REG_VERSION_H_INCLUDED */
