#include <limits.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "connection/slab.h"
#include "creactor/listener.h"
#include "tls/layer.h"

/* What policy may ask about the peer of a connection and what was agreed on with it. */

static const cr_tls *open_tls(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_slab_find(&loop->slab, id);
  if (connection == NULL || connection->tls == NULL || cr_connection_id(connection) != id) {
    return NULL;
  }
  const cr_tls *tls = cr_tls_of(connection);
  return tls->ssl != NULL && SSL_is_init_finished(tls->ssl) ? tls : NULL;
}

/* A certificate need not have a subject (RFC 5280 section 4.1.2.6). What stands for it then is a
 * digest of its other names, which a renewal keeps, or of all of it; no subject looks like that. */
static void print_nameless(BIO *text, X509 *certificate) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  int place = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  if (place >= 0) {
    const ASN1_OCTET_STRING *names = X509_EXTENSION_get_data(X509_get_ext(certificate, place));
    (void)EVP_Digest(ASN1_STRING_get0_data(names), (size_t)ASN1_STRING_length(names), digest,
                     &length, EVP_sha256(), NULL);
  } else {
    (void)X509_digest(certificate, EVP_sha256(), digest, &length);
  }
  BIO_puts(text, place >= 0 ? "subjectAltName:sha256:" : "certificate:sha256:");
  for (unsigned index = 0; index < length; index++)
    BIO_printf(text, "%02x", digest[index]);
}

int cr_connection_subject(cr_loop *loop, cr_id id, char *out, int capacity) {
  const cr_tls *tls = open_tls(loop, id);
  if (capacity > 0) out[0] = 0;
  X509 *certificate = tls == NULL ? NULL : SSL_get0_peer_certificate(tls->ssl);
  if (certificate == NULL || !tls->context->verify ||
      SSL_get_verify_result(tls->ssl) != X509_V_OK) {
    return 0;
  }
  BIO *text = BIO_new(BIO_s_mem());
  int length = 0;
  if (text != NULL &&
      X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
    char *bytes;
    if (BIO_ctrl_pending(text) == 0) print_nameless(text, certificate);
    long all = BIO_get_mem_data(text, &bytes);
    if (all > 0 && all < INT_MAX) length = (int)all;
    /* Half a name could be somebody else's. */
    if (length > 0 && length < capacity) {
      memcpy(out, bytes, (size_t)length);
      out[length] = 0;
    }
  }
  BIO_free(text);
  return length;
}

bool cr_connection_tls(cr_loop *loop, cr_id id, cr_tls_info *out) {
  const cr_tls *tls = open_tls(loop, id);
  if (tls == NULL) return false;
  *out = (cr_tls_info){
      .version = SSL_get_version(tls->ssl),
      .cipher = SSL_get_cipher_name(tls->ssl),
      .resumed = SSL_session_reused(tls->ssl) == 1,
  };
  return true;
}
