#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>

#include "CReactorPeers.h"

enum { DAY = 24 * 60 * 60 };

typedef struct identity {
  EVP_PKEY *key;
  X509 *certificate;
} identity;

static void add_extension(X509 *certificate, X509 *issuer, int kind, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/* `issuer` NULL: a CA that signs itself. */
static identity make_with(EVP_PKEY *key, const char *name, const identity *issuer,
                          const char *names, long from, long until) {
  static atomic_long serial = 1; /* suites run at the same time */
  identity made = {.key = key, .certificate = X509_new()};
  X509 *certificate = made.certificate;
  X509 *signer = issuer == NULL ? certificate : issuer->certificate;
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), until);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             (const unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  X509_set_pubkey(certificate, made.key);
  add_extension(certificate, signer, NID_basic_constraints,
                issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
  if (names != NULL) add_extension(certificate, signer, NID_subject_alt_name, names);
  EVP_PKEY *signs = issuer == NULL ? made.key : issuer->key;
  X509_sign(certificate, signs, EVP_PKEY_is_a(signs, "ED25519") ? NULL : EVP_sha256());
  return made;
}

static identity make(const char *name, const identity *issuer, const char *names, long from,
                     long until) {
  return make_with(EVP_EC_gen("P-256"), name, issuer, names, from, until);
}

static bool save(const identity *identity, const char *folder, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.pem", folder, name);
  FILE *file = fopen(path, "w");
  bool saved = file != NULL && PEM_write_X509(file, identity->certificate) == 1;
  if (file != NULL) fclose(file);
  snprintf(path, sizeof path, "%s/%s.key", folder, name);
  file = fopen(path, "w");
  saved =
      saved && file != NULL && PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL);
  if (file != NULL) fclose(file);
  return saved;
}

static void discard(identity *identity) {
  X509_free(identity->certificate);
  EVP_PKEY_free(identity->key);
}

bool peer_certificates_make(const char *folder) {
  identity ca = make("Test CA", NULL, NULL, -DAY, DAY);
  identity stranger = make("Another CA", NULL, NULL, -DAY, DAY);
  identity localhost = make("localhost", &ca, "DNS:localhost,IP:127.0.0.1", -DAY, DAY);
  identity elsewhere = make("other.example", &ca, "DNS:other.example", -DAY, DAY);
  identity expired = make("localhost", &ca, "DNS:localhost,IP:127.0.0.1", -3 * DAY, -DAY);
  identity wildcard = make("wildcard", &ca, "DNS:*.wild.example", -DAY, DAY);
  identity client = make("client", &ca, NULL, -DAY, DAY);
  identity intruder = make("client", &stranger, NULL, -DAY, DAY);
  bool saved = save(&ca, folder, "ca") && save(&stranger, folder, "stranger") &&
               save(&localhost, folder, "localhost") && save(&elsewhere, folder, "elsewhere") &&
               save(&expired, folder, "expired") && save(&wildcard, folder, "wildcard") &&
               save(&client, folder, "client") && save(&intruder, folder, "intruder");
  discard(&ca);
  discard(&stranger);
  discard(&localhost);
  discard(&elsewhere);
  discard(&expired);
  discard(&wildcard);
  discard(&client);
  discard(&intruder);
  return saved;
}

bool peer_identity_make(const char *path) {
  identity made =
      make_with(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "localhost", NULL, NULL, -DAY, DAY);
  FILE *file = fopen(path, "w");
  bool saved = file != NULL && PEM_write_X509(file, made.certificate) == 1 &&
               PEM_write_PrivateKey(file, made.key, NULL, NULL, 0, NULL, NULL) == 1;
  if (file != NULL) fclose(file);
  discard(&made);
  return saved;
}
