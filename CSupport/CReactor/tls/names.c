#define _GNU_SOURCE

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tls/tls.h"

typedef struct named {
  char *name; /* lower or upper case as it may be; "*.example.org" covers one label */
  SSL_CTX *ssl;
} named;

struct cr_tls_names {
  SSL_CTX **identities;
  unsigned identity_count;
  named *list;
  unsigned count, capacity;
};

struct cr_tls_names *cr_tls_names_make(unsigned identities) {
  struct cr_tls_names *names = calloc(1, sizeof *names);
  if (names == NULL) return NULL;
  names->identities = (SSL_CTX **)calloc(identities, sizeof *names->identities);
  if (names->identities != NULL) return names;
  free(names);
  return NULL;
}

void cr_tls_names_free(struct cr_tls_names *names) {
  if (names == NULL) return;
  for (unsigned index = 0; index < names->count; index++)
    free(names->list[index].name);
  for (unsigned index = 0; index < names->identity_count; index++)
    SSL_CTX_free(names->identities[index]);
  free(names->list);
  free((void *)names->identities);
  free(names);
}

void cr_tls_names_keep(struct cr_tls_names *names, SSL_CTX *ssl) {
  names->identities[names->identity_count++] = ssl;
}

static bool add_name(struct cr_tls_names *names, const char *text, size_t length, SSL_CTX *ssl) {
  if (names->count == names->capacity) {
    unsigned capacity = 2 * names->capacity + 8;
    named *larger = realloc(names->list, capacity * sizeof *larger);
    if (larger == NULL) return false;
    names->list = larger;
    names->capacity = capacity;
  }
  char *name = strndup(text, length);
  if (name == NULL) return false;
  names->list[names->count++] = (named){.name = name, .ssl = ssl};
  return true;
}

/* The DNS names of the certificate; a common name is no name of a host any more (RFC 9525). */
bool cr_tls_names_learn(struct cr_tls_names *names, SSL_CTX *ssl) {
  GENERAL_NAMES *all =
      X509_get_ext_d2i(SSL_CTX_get0_certificate(ssl), NID_subject_alt_name, NULL, NULL);
  bool added = true;
  for (int index = 0; added && index < sk_GENERAL_NAME_num(all); index++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, index);
    if (name->type != GEN_DNS) continue;
    const char *text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
    size_t length = (size_t)ASN1_STRING_length(name->d.dNSName);
    if (memchr(text, 0, length) == NULL) added = add_name(names, text, length, ssl);
  }
  GENERAL_NAMES_free(all);
  return added;
}

/* Exact names go before wildcards, and earlier identities before later ones. */
SSL_CTX *cr_tls_names_find(const struct cr_tls_names *names, const char *host) {
  for (unsigned index = 0; index < names->count; index++) {
    if (strcasecmp(names->list[index].name, host) == 0) return names->list[index].ssl;
  }
  const char *rest = strchr(host, '.');
  if (rest == NULL || rest == host) return NULL;
  for (unsigned index = 0; index < names->count; index++) {
    const char *name = names->list[index].name;
    if (name[0] == '*' && strcasecmp(name + 1, rest) == 0) return names->list[index].ssl;
  }
  return NULL;
}
