// links: CWire CReactor
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED /* a source of randomness of our own */

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_connection.h"

/* The connection of fuzz_connection with TLS between, and OpenSSL's client as its peer: records cut
 * anywhere, short writes, a client that stalls, reads slowly, changes keys, ends its side early or
 * breaks off, and one that sends what is no TLS at all.
 *
 * Where nothing is lost, what the client decrypts is what the plain connection answers, and what
 * the gateway believes to have sent. What leaves is whole records. While a client does not read,
 * the memory that it takes has a bound, and nothing is left behind. */

/* ---- Both ends' TLS ---- */

static random_source randomness;

static int random_bytes(unsigned char *out, int count) {
  for (int i = 0; i < count; i++)
    out[i] = (unsigned char)next_random(&randomness);
  return 1;
}

static int random_ready(void) {
  return 1;
}

static cr_tls_context *server_context;
static SSL_CTX *client_contexts[2]; /* TLS 1.3, TLS 1.2 */

/* Ed25519: its signatures have one length, so that an input cuts the same records each time. */
static void write_identity(FILE *file) {
  EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  X509 *certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 60 * 60 * 24 * 365);
  X509_NAME *name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"h", -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, key);
  require(X509_sign(certificate, key, NULL) > 0);
  require(PEM_write_X509(file, certificate) == 1);
  require(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
  fflush(file);
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count, (void)arguments;
  static const RAND_METHOD method = {
      .bytes = random_bytes, .pseudorand = random_bytes, .status = random_ready};
  require(RAND_set_rand_method(&method) == 1);
  int descriptor = memfd_create("identity", 0);
  FILE *file = fdopen(descriptor, "w+");
  write_identity(file);
  char path[64], message[200];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  cr_tls_identity identity = {.cert_file = path};
  cr_tls_server_options options = {.identities = &identity, .identity_count = 1};
  server_context = cr_tls_server_make(&options, message, sizeof message);
  require(server_context != NULL);
  fclose(file);
  for (int old = 0; old < 2; old++) {
    client_contexts[old] = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(client_contexts[old], SSL_VERIFY_NONE, NULL);
    if (old) SSL_CTX_set_max_proto_version(client_contexts[old], TLS1_2_VERSION);
  }
  return 0;
}

/* ---- What leaves the gateway ---- */

/* Records in the bytes that the gateway wrote. */
typedef struct record_reader {
  uint8_t head[5];
  unsigned head_bytes;
  size_t left; /* of the record's content */
  bool plain;  /* no records: a client that speaks plain HTTP is answered so */
  uint64_t bytes;
} record_reader;

static void read_record_byte(record_reader *reader, uint8_t byte) {
  enum { MOST = 16 * 1024 + 256 };
  if (reader->left > 0) {
    reader->left--;
    return;
  }
  reader->head[reader->head_bytes++] = byte;
  if (reader->head_bytes < sizeof reader->head) return;
  reader->head_bytes = 0;
  reader->left = (size_t)reader->head[3] << 8 | reader->head[4];
  require(reader->head[0] >= 20 && reader->head[0] <= 23 && reader->head[1] == 3);
  require(reader->left > 0 && reader->left <= MOST);
}

static void read_records(record_reader *reader, const uint8_t *bytes, size_t count) {
  if (reader->bytes == 0 && count > 0) reader->plain = bytes[0] == 'H';
  reader->bytes += count;
  for (size_t i = 0; !reader->plain && i < count; i++)
    read_record_byte(reader, bytes[i]);
}

static bool within_record(const record_reader *reader) {
  return reader->head_bytes > 0 || reader->left > 0;
}

/* ---- The client ---- */

typedef enum operation {
  CHANGES_KEY = 1,
  ASKS_FOR_KEYS = 2, /* changes its key and asks the gateway to do so too */
  FLOODS = 4,        /* does that without end; breaks off runs that must lose nothing */
  STALLS = 8,
  LETS_TIME_PASS = 16,
  ENDS_EARLY = 32, /* says goodbye behind its last request and reads on */
  DRAINS = 64,     /* the gateway, that is */
  BREAKS = 128,    /* sends bytes that are no record, or ends without a word */
} operation;

/* What an input's last bytes say. */
typedef struct script {
  cr_fault_plan faults;
  cr_http_limits limits;
  cr_websocket_settings sockets;
  uint32_t step;   /* most bytes of a record of the client, and of its records at a time */
  uint32_t gulp;   /* most bytes that it takes at a time */
  uint32_t window; /* bytes that it has not taken beyond which it accepts none; 0: any number */
  size_t bulk;
  unsigned operations;
  uint32_t seed;
  bool old, whims, patient;
} script;

typedef struct client {
  const script *script;
  random_source random;
  cr_memory_peer *peer;
  SSL *ssl;
  BIO *in, *out;
  cwire_span plain;
  record_reader records;
  bool open, stalled, said_goodbye, ended, failed;
  bool misbehaved;  /* it may be told an alert */
  unsigned updates; /* of keys: few, as an honest client does */
  uint32_t waited;  /* ms that it let pass */
} client;

static uint32_t below(client *client, uint32_t bound) {
  return next_random(&client->random) % bound;
}

static void start_client(client *client, cr_memory_peer *peer) {
  client->peer = peer;
  client->ssl = SSL_new(client_contexts[client->script->old]);
  client->in = BIO_new(BIO_s_mem());
  client->out = BIO_new(BIO_s_mem());
  SSL_set_bio(client->ssl, client->in, client->out);
  SSL_set_connect_state(client->ssl);
}

/* A failure of ours would be one of the gateway: what it sent is no TLS. */
static void judge_failure(client *client, int result) {
  int error = SSL_get_error(client->ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN) return;
  require(error == SSL_ERROR_SSL && client->misbehaved);
  require(ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET);
  client->failed = true;
}

static void shake_hands(client *client) {
  ERR_clear_error();
  int result = SSL_do_handshake(client->ssl);
  if (result == 1)
    client->open = true;
  else
    judge_failure(client, result);
}

/* The client signs its end and sends nothing more; it may read on. */
static bool say_goodbye(client *client) {
  if (client->said_goodbye) return false;
  client->said_goodbye = true;
  ERR_clear_error();
  if (client->open && !client->failed) SSL_shutdown(client->ssl);
  return true;
}

static bool encrypt_next(client *client) {
  if (!client->open || client->failed || client->said_goodbye) return false;
  if (client->plain.length == 0) return false;
  uint32_t length = 1 + below(client, client->script->step);
  cwire_span part = cwire_span_take(client->plain, length);
  size_t written = 0;
  ERR_clear_error();
  require(SSL_write_ex(client->ssl, part.base, part.length, &written) == 1);
  client->plain = cwire_span_drop(client->plain, written);
  /* So that the last words and the end are read together. */
  bool last = client->plain.length == 0 && client->script->operations & ENDS_EARLY;
  if (last && client->script->seed & 1) say_goodbye(client);
  return true;
}

static bool send_some(client *client, uint32_t most) {
  uint8_t bytes[4096];
  int count = BIO_read(client->out, bytes, (int)(most < sizeof bytes ? most : sizeof bytes));
  if (count <= 0) return false;
  cr_memory_peer_send(client->peer, cwire_span_make(bytes, (size_t)count));
  return true;
}

static void decrypt(client *client, trace *trace) {
  for (;;) {
    if (trace->capacity - trace->length < 16 * 1024) {
      trace->capacity = 2 * trace->capacity + 32 * 1024;
      trace->output = realloc(trace->output, trace->capacity);
    }
    size_t count = 0;
    ERR_clear_error();
    int result = SSL_read_ex(client->ssl, trace->output + trace->length, 16 * 1024, &count);
    if (result != 1) {
      judge_failure(client, result);
      return;
    }
    trace->length += count;
  }
}

static bool take_some(client *client, trace *trace) {
  uint8_t bytes[32 * 1024];
  if (client->stalled) return false;
  uint32_t most = 1 + below(client, client->script->gulp);
  size_t count =
      cr_memory_peer_take(client->peer, bytes, most < sizeof bytes ? most : sizeof bytes);
  trace->ended = cr_memory_peer_ended(client->peer);
  if (count == 0) return false;
  read_records(&client->records, bytes, count);
  if (client->failed || client->records.plain) return true;
  require(BIO_write(client->in, bytes, (int)count) == (int)count);
  if (!client->open) shake_hands(client);
  if (client->open) decrypt(client, trace);
  return true;
}

static bool end_below(client *client) {
  if (!client->said_goodbye || client->ended || BIO_pending(client->out) > 0) return false;
  client->ended = true;
  cr_memory_peer_end(client->peer);
  return true;
}

static void stall(client *client, bool stalled) {
  client->stalled = stalled;
  cr_memory_peer_stall(client->peer, stalled);
}

static void change_key(client *client, bool asks) {
  if (client->said_goodbye || client->failed || SSL_version(client->ssl) != TLS1_3_VERSION) return;
  ERR_clear_error();
  int kind = asks ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
  if (SSL_key_update(client->ssl, kind) == 1) SSL_do_handshake(client->ssl);
}

static void break_off(client *client) {
  client->misbehaved = true;
  uint8_t record[64] = {23, 3, 3, 0, 48};
  for (size_t i = below(client, 2) ? 5 : 0; i < sizeof record; i++)
    record[i] = (uint8_t)below(client, 256);
  switch (below(client, 4)) {
  case 0:
    cr_memory_peer_end(client->peer);
    client->said_goodbye = client->ended = true;
    break;
  case 1:
    cr_memory_peer_reset(client->peer);
    client->said_goodbye = client->ended = true;
    break;
  default:
    cr_memory_peer_send(client->peer, cwire_span_make(record, 1 + below(client, sizeof record)));
  }
}

/* ---- A run ---- */

/* What the gateway may hold for this client: the answers that wait, and what both sides keep of
 * requests, messages and records. */
static void require_bounded(const run *run) {
  enum { MOST = 768 * 1024 };
  require(run->loop->buffers.bytes_out <= MOST);
}

/* As many key changes as an attacker would send, at once, and none of the answers is read. */
static void flood(run *run, client *client) {
  enum { CHANGES = 2000, MOST = 48 * 1024 };
  client->misbehaved = true;
  stall(client, true);
  size_t before = run->loop->buffers.bytes_out;
  for (int i = 0; i < CHANGES; i++) {
    change_key(client, true);
    if (i % 64 == 0 && send_some(client, 4096)) cr_loop_step(run->loop);
  }
  while (send_some(client, 4096))
    cr_loop_step(run->loop);
  require(run->loop->buffers.bytes_out <= before + MOST);
}

/* A drain makes the next answer the last: where the plain run was not drained, all that it answered
 * must have been given by then. */
static void drain(run *run, client *client, const trace *whole) {
  bool compared = whole != NULL;
  if (compared && (whole->length != whole->sent || run->trace.expects)) return;
  if (compared && cr_loop_count(run->loop).bytes_out < whole->sent) return;
  cr_http_drain(run->loop, below(client, 2) * below(client, 100));
}

static bool operate(run *run, client *client, const trace *whole) {
  if (!client->open) return false;
  unsigned operation = 1u << below(client, 8);
  switch (operation & client->script->operations) {
  case CHANGES_KEY:
  case ASKS_FOR_KEYS:
    if (client->updates++ < 8) change_key(client, operation == ASKS_FOR_KEYS);
    break;
  case FLOODS:
    if (client->script->patient || client->misbehaved) return false;
    flood(run, client);
    break;
  case STALLS:
    stall(client, !client->stalled);
    break;
  case LETS_TIME_PASS:
    if (client->waited >= 4000) return false;
    client->waited += 200;
    cr_loop_advance(run->loop, 200);
    break;
  case ENDS_EARLY:
    if (client->plain.length > 0 && client->script->patient) return false;
    say_goodbye(client);
    break;
  case DRAINS:
    drain(run, client, whole);
    break;
  case BREAKS:
    if (client->script->patient) return false;
    break_off(client);
    break;
  default:
    return false;
  }
  return true;
}

/* One turn of both ends. False if nothing moved. */
static bool turn(run *run, client *client) {
  bool moved = encrypt_next(client);
  if (send_some(client, 1 + below(client, 4 * client->script->step))) moved = true;
  if (end_below(client)) moved = true;
  if (cr_loop_step(run->loop)) moved = true;
  if (take_some(client, &run->trace)) moved = true;
  require_bounded(run);
  return moved;
}

static void settle_both(run *run, client *client) {
  stall(client, false);
  for (int idle = 0; idle < 4;)
    idle = turn(run, client) ? 0 : idle + 1;
}

/* Both ends talk until there is nothing more to say. */
static void talk(run *run, client *client, const trace *whole) {
  shake_hands(client);
  for (int idle = 0; idle < 12;) {
    bool moved = turn(run, client);
    if (next_random(&client->random) % 8 == 0 && operate(run, client, whole)) moved = true;
    if (client->stalled && !moved && below(client, 4) == 0) stall(client, false);
    if (client->script->whims && below(client, 8) == 0) {
      answer_waiting(run);
      resume(run);
    }
    idle = moved ? 0 : idle + 1;
  }
  settle_both(run, client);
}

/* The client leaves, and policy with it; then nothing may be left. */
static void finish(run *run, client *client) {
  answer_waiting(run);
  resume(run);
  settle_both(run, client);
  say_goodbye(client);
  settle_both(run, client);
  answer_waiting(run);
  resume(run);
  settle_both(run, client);
  /* What was told of the end goes without a timer. */
  require(client->misbehaved || client->script->faults.reset_after > 0 || run->trace.ended);
  for (int i = 0; i < 20; i++) {
    cr_loop_advance(run->loop, 10 * 1000);
    settle_both(run, client);
  }
}

static void require_nothing_lost(const run *run, const client *client) {
  require(run->trace.length == run->trace.sent);
  require(run->trace.ended && !within_record(&client->records));
  if (client->open) require(SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN);
}

static run *begin(run *run, const script *script, cr_tls_context *tls, cr_memory_peer **peer,
                  cr_listener **listener) {
  static const cr_handlers handlers = {
      .request = request, .peer_ended = peer_ended, .websocket_message = message};
  run->sockets = script->sockets;
  run->bulk = script->bulk;
  run->bulky = 3;
  cr_loop_options options = {.worker = 3, .max_connections = 4, .manual_clock = true};
  require(!cr_failed(cr_loop_create(&run->loop, &options, &handlers, run)));
  cwire_span beat = cwire_span_text(": beat\n\n");
  run->frame = cr_frame_make(&beat, 1);
  *listener = cr_memory_listen(run->loop, 1, &script->limits);
  if (tls != NULL) cr_listener_set_tls(*listener, tls);
  *peer = cr_memory_accept(run->loop, *listener, tls == NULL ? NULL : &script->faults);
  require(*peer != NULL);
  return run;
}

static void end(run *run, cr_memory_peer *peer, cr_listener *listener) {
  require_nothing_left(run);
  cr_listener_stop(listener);
  cr_memory_peer_free(peer);
  cr_loop_destroy(run->loop);
  cr_frame_release(run->frame);
}

/* The same requests over a plain connection. */
static trace serve_plain(cwire_span input, const script *script) {
  run run = {.random = {1}};
  cr_memory_peer *peer;
  cr_listener *listener;
  begin(&run, script, NULL, &peer, &listener);
  cr_memory_peer_send(peer, input);
  settle(&run, peer, 10000);
  cr_memory_peer_end(peer);
  settle(&run, peer, 10000);
  for (int i = 0; i < 20; i++) {
    cr_loop_advance(run.loop, 10 * 1000);
    settle(&run, peer, 1000);
  }
  run.trace.sent = cr_loop_count(run.loop).bytes_out;
  end(&run, peer, listener);
  normalize(&run.trace);
  return run.trace;
}

static trace serve_secure(cwire_span input, const script *script, const trace *whole) {
  run run = {.whims = script->whims, .patient = script->patient, .random = {1}};
  run.pauses = script->whims;
  if (script->whims) run.random.state = script->seed;
  client client = {.script = script, .random = {script->seed}, .plain = input};
  cr_memory_peer *peer;
  cr_listener *listener;
  randomness.state = script->seed;
  begin(&run, script, server_context, &peer, &listener);
  cr_memory_peer_window(peer, script->window);
  start_client(&client, peer);
  talk(&run, &client, whole);
  finish(&run, &client);
  run.trace.sent = cr_loop_count(run.loop).bytes_out;
  if (script->patient) require_nothing_lost(&run, &client);
  end(&run, peer, listener);
  SSL_free(client.ssl);
  ERR_clear_error();
  normalize(&run.trace);
  return run.trace;
}

/* The input is what the client sends, in place of TLS. */
static void serve_raw(cwire_span input, const script *script) {
  run run = {.whims = script->whims, .random = {script->seed}};
  client client = {.script = script, .random = {script->seed}};
  cr_memory_peer *peer;
  cr_listener *listener;
  randomness.state = 1;
  begin(&run, script, server_context, &peer, &listener);
  while (input.length > 0) {
    cwire_span part = cwire_span_take(input, 1 + below(&client, 4 * script->step));
    input = cwire_span_drop(input, part.length);
    cr_memory_peer_send(peer, part);
    cr_loop_step(run.loop);
    if (below(&client, 16) == 0) cr_loop_advance(run.loop, below(&client, 50));
  }
  settle(&run, peer, 10000);
  cr_memory_peer_end(peer);
  for (int i = 0; i < 20; i++) {
    settle(&run, peer, 1000);
    cr_loop_advance(run.loop, 10 * 1000);
  }
  settle(&run, peer, 1000);
  read_records(&client.records, run.trace.output, run.trace.length);
  if (script->faults.reset_after == 0 && script->faults.again_every == 0 &&
      script->faults.max_write == 0)
    require(!within_record(&client.records));
  end(&run, peer, listener);
  free(run.trace.output);
}

static script read_script(const uint8_t choice[8]) {
  static const size_t bulks[] = {0, 900, 20000, 100000};
  static const uint32_t windows[] = {0, 1, 700, 5000, 20000, 70000, 0, 64};
  script script = {.limits = cr_http_limits_default(),
                   .sockets = cr_websocket_settings_default(),
                   .old = choice[0] & 4,
                   .bulk = bulks[choice[0] >> 4 & 3],
                   .operations = choice[5],
                   .seed = 1 + (choice[6] | (uint32_t)choice[7] << 8)};
  script.faults.max_write = choice[1] & 15;
  script.faults.again_every = choice[1] >> 4 & 7;
  script.limits.max_body = choice[2] & 1 ? 64 : 4096;
  if (choice[2] & 2) script.limits.max_head = 128;
  script.limits.per_address = 2;
  script.sockets.max_message = choice[2] & 4 ? 64 : 8192;
  script.sockets.max_frame = choice[2] & 8 ? 16 : 4096;
  script.sockets.strict_frame_size = (choice[2] & 16) != 0;
  script.sockets.compression = (choice[2] & 32) == 0;
  script.sockets.compression_threshold = 32;
  script.step = 1 + choice[3];
  script.window = windows[choice[4] & 7];
  script.gulp = 1 + (uint32_t)(choice[4] >> 3) * (choice[4] >> 3) * 32;
  if (script.bulk > 1000) { /* or it would take too long */
    if (script.faults.max_write > 0) script.faults.max_write = script.faults.max_write * 1000 - 1;
    if (script.window > 0 && script.window < 700) script.window += 700;
    script.gulp += 500;
  }
  return script;
}

/* The last eight bytes choose the kind of run, faults, limits, cut, what the client does and when,
 * so that the seeds stay readable. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { CHOICE = 8 };
  if (size < CHOICE) return 0;
  const uint8_t *choice = data + size - CHOICE;
  cwire_span input = cwire_span_make(data, size - CHOICE);
  script script = read_script(choice);
  if (script.step < input.length / 64) script.step = (uint32_t)(input.length / 64);
  switch (choice[0] & 3) {
  case 0: /* all that the plain connection answers */
  case 1: {
    script.patient = true;
    trace whole = serve_plain(input, &script);
    trace secure = serve_secure(input, &script, &whole);
    require(whole.requests == secure.requests && whole.request_hash == secure.request_hash);
    require(whole.length == secure.length);
    require(memcmp(whole.output, secure.output, whole.length) == 0);
    free(whole.output);
    free(secure.output);
    return 0;
  }
  case 2: /* all that was answered */
  case 3: /* or not even that */
    script.whims = true;
    script.patient = (choice[0] & 3) == 2;
    if (!script.patient && choice[0] & 8) script.faults.reset_after = 1 + choice[7] * 16u;
    if (!script.patient && choice[0] & 128) {
      serve_raw(input, &script);
    } else {
      trace secure = serve_secure(input, &script, NULL);
      free(secure.output);
    }
  }
  return 0;
}
