#include "options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manual.h"

enum { CONNECTIONS_PER_PROCESS = 19000, CONNECTIONS_PER_SOURCE = 900 };

__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "sluice-load: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\nsluice-load --help tells what it takes\n");
  va_end(arguments);
  exit(2);
}

/* ---- Values ---- */

static uint64_t read_number(const char *name, const char *text, uint64_t max) {
  char *end;
  uint64_t number = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || number > max)
    refuse("--%s takes a number up to %llu, not '%s'", name, (unsigned long long)max, text);
  return number;
}

static uint64_t read_time(const char *name, const char *text) {
  static const struct {
    const char *unit;
    double nanoseconds;
  } units[] = {{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"", 1e9}};
  char *end;
  double number = strtod(text, &end);
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (end != text && number >= 0 && strcmp(end, units[i].unit) == 0)
      return (uint64_t)(number * units[i].nanoseconds);
  }
  refuse("--%s takes a time such as 500ms, 10s or 2m, not '%s'", name, text);
}

static unsigned read_choice(const char *name, const char *text, const char *const *choices,
                            unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    if (strcmp(text, choices[i]) == 0) return i;
  }
  refuse("--%s does not know '%s'", name, text);
}

static const char *const mode_names[] = {"call", "idle", "fanout", "churn", "mix"};
static const char *const era_names[] = {"legacy", "modern", "none"};
static const char *const hold_names[] = {"connect", "open", "call", "listen"};
static const char *const transport_names[] = {"http", "sse", "websocket"};

const char *options_mode_name(const options *options) {
  return mode_names[options->mode];
}

const char *options_era_name(const options *options) {
  return era_names[options->era];
}

const char *options_transport_name(const options *options) {
  return transport_names[options->transport];
}

/* ---- Options ---- */

enum {
  OPTION_ERA = 256,
  OPTION_SSE,
  OPTION_TOOL,
  OPTION_ARGUMENTS,
  OPTION_BODY,
  OPTION_SIZE,
  OPTION_EXPECT,
  OPTION_HEADER,
  OPTION_PROTOCOL,
  OPTION_COMPRESSION,
  OPTION_CA,
  OPTION_RESUME,
  OPTION_TIMEOUT,
  OPTION_OPENING,
  OPTION_PROCESSES,
  OPTION_SOURCES,
  OPTION_HOLD,
  OPTION_IDLE,
  OPTION_EACH,
  OPTION_PUBLISH,
  OPTION_PUBLICATIONS,
  OPTION_PUBLISH_BODY,
  OPTION_TOPIC,
  OPTION_PID,
  OPTION_TREE,
  OPTION_JSON,
  OPTION_CSV,
  OPTION_LABEL,
};

static const struct option table[] = {
    {"era", required_argument, NULL, OPTION_ERA},
    {"sse", no_argument, NULL, OPTION_SSE},
    {"tool", required_argument, NULL, OPTION_TOOL},
    {"arguments", required_argument, NULL, OPTION_ARGUMENTS},
    {"body", required_argument, NULL, OPTION_BODY},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"expect", required_argument, NULL, OPTION_EXPECT},
    {"header", required_argument, NULL, OPTION_HEADER},
    {"protocol", required_argument, NULL, OPTION_PROTOCOL},
    {"compression", no_argument, NULL, OPTION_COMPRESSION},
    {"ca", required_argument, NULL, OPTION_CA},
    {"resume", no_argument, NULL, OPTION_RESUME},
    {"connections", required_argument, NULL, 'c'},
    {"duration", required_argument, NULL, 'd'},
    {"calls", required_argument, NULL, 'n'},
    {"warmup", required_argument, NULL, 'w'},
    {"rate", required_argument, NULL, 'r'},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"opening", required_argument, NULL, OPTION_OPENING},
    {"processes", required_argument, NULL, OPTION_PROCESSES},
    {"sources", required_argument, NULL, OPTION_SOURCES},
    {"hold", required_argument, NULL, OPTION_HOLD},
    {"idle", required_argument, NULL, OPTION_IDLE},
    {"each", required_argument, NULL, OPTION_EACH},
    {"publish", required_argument, NULL, OPTION_PUBLISH},
    {"publications", required_argument, NULL, OPTION_PUBLICATIONS},
    {"publish-body", required_argument, NULL, OPTION_PUBLISH_BODY},
    {"topic", required_argument, NULL, OPTION_TOPIC},
    {"server-pid", required_argument, NULL, OPTION_PID},
    {"server-tree", no_argument, NULL, OPTION_TREE},
    {"json", required_argument, NULL, OPTION_JSON},
    {"csv", required_argument, NULL, OPTION_CSV},
    {"label", required_argument, NULL, OPTION_LABEL},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static const char *name_of(int code) {
  for (const struct option *each = table; each->name != NULL; each++) {
    if (each->val == code) return each->name;
  }
  return "";
}

/* Which options were given: some defaults depend on others. */
typedef struct given {
  bool warmup, sources, processes, rate, protocol;
} given;

static unsigned read_count(int code, const char *value) {
  return (unsigned)read_number(name_of(code), value, 10000000);
}

static void read_target(const char *what, target *target, const char *url) {
  const char *why;
  if (!target_parse(target, url, &why)) refuse("%s '%s': %s", what, url, why);
}

static void read_protocol_option(options *options, given *given, int code, const char *value) {
  switch (code) {
  case OPTION_ERA:
    options->era = (era)read_choice("era", value, era_names, 3);
    break;
  case OPTION_SSE:
    options->transport = TRANSPORT_SSE;
    break;
  case OPTION_TOOL:
    options->tool = value;
    break;
  case OPTION_ARGUMENTS:
    options->arguments = value;
    break;
  case OPTION_BODY:
    options->body = value;
    break;
  case OPTION_SIZE:
    options->size = read_number("size", value, UINT64_C(1) << 30);
    break;
  case OPTION_EXPECT:
    options->expect = value;
    break;
  case OPTION_HEADER:
    if (options->header_count == OPTIONS_HEADERS) refuse("there are too many headers");
    if (strpbrk(value, "\r\n") != NULL || strchr(value, ':') == NULL)
      refuse("'%s' is no header", value);
    options->headers[options->header_count++] = value;
    break;
  case OPTION_PROTOCOL:
    options->protocol = value;
    given->protocol = true;
    break;
  case OPTION_COMPRESSION:
    options->compression = true;
    break;
  case OPTION_CA:
    options->authorities = value;
    break;
  case OPTION_RESUME:
    options->resume = true;
    break;
  }
}

static void read_load_option(options *options, given *given, int code, const char *value) {
  switch (code) {
  case 'c':
    options->connections = read_count(code, value);
    break;
  case 'd':
    options->duration = read_time("duration", value);
    break;
  case 'n':
    options->calls = read_number("calls", value, UINT64_C(1) << 40);
    break;
  case 'w':
    options->warmup = read_time("warmup", value);
    given->warmup = true;
    break;
  case 'r':
    options->rate = (double)read_number("rate", value, 10000000);
    given->rate = true;
    break;
  case OPTION_TIMEOUT:
    options->timeout = read_time("timeout", value);
    break;
  case OPTION_OPENING:
    options->opening = read_count(code, value);
    break;
  case OPTION_PROCESSES:
    options->processes = (unsigned)read_number("processes", value, 60);
    given->processes = true;
    break;
  case OPTION_SOURCES:
    options->sources = (unsigned)read_number("sources", value, 60000);
    given->sources = true;
    break;
  }
}

static void read_mode_option(options *options, int code, const char *value) {
  switch (code) {
  case OPTION_HOLD:
    options->hold = (hold)read_choice("hold", value, hold_names, 4);
    break;
  case OPTION_IDLE:
    options->idle = read_count(code, value);
    break;
  case OPTION_EACH:
    options->each = read_count(code, value);
    break;
  case OPTION_PUBLISH:
    options->publish_url = value;
    read_target("--publish", &options->publish, value);
    break;
  case OPTION_PUBLICATIONS:
    options->publications = read_number("publications", value, 10000000);
    break;
  case OPTION_PUBLISH_BODY:
    options->publish_body = value;
    break;
  case OPTION_TOPIC:
    options->topic = value;
    break;
  }
}

static void read_output_option(options *options, int code, const char *value) {
  switch (code) {
  case OPTION_PID:
    if (options->pid_count == OPTIONS_PIDS) refuse("there are too many --server-pid");
    options->pids[options->pid_count++] = (pid_t)read_number("server-pid", value, 1 << 30);
    break;
  case OPTION_TREE:
    options->tree = true;
    break;
  case OPTION_JSON:
    options->json = value;
    break;
  case OPTION_CSV:
    options->csv = value;
    break;
  case OPTION_LABEL:
    options->label = value;
    break;
  case 'q':
    options->quiet = true;
    break;
  }
}

/* ---- What follows from them ---- */

static void settle(options *options, const given *given) {
  if (options->target.websocket) {
    if (options->transport == TRANSPORT_SSE) refuse("--sse needs an http:// or https:// URL");
    options->transport = TRANSPORT_WEBSOCKET;
  }
  if (options->transport == TRANSPORT_SSE) options->era = ERA_LEGACY;
  if (!given->protocol) options->protocol = options->era == ERA_NONE ? NULL : "mcp";
  if (options->calls > 0 && !given->warmup) options->warmup = 0;
  if (options->connections == 0) refuse("--connections must be at least 1");
  if (options->opening == 0) refuse("--opening must be at least 1");
  if (options->mode == MODE_MIX && options->idle == 0) refuse("mix needs --idle");
  if (options->mode == MODE_FANOUT) {
    if (options->publish_url == NULL) refuse("fanout needs --publish");
    if (options->publish.websocket) refuse("--publish takes an http:// or https:// URL");
    if (!given->rate) options->rate = 10;
    if (options->publications == 0) refuse("--publications must be at least 1");
  }
  unsigned all = options->connections + (options->mode == MODE_MIX ? options->idle : 0);
  if (options->transport == TRANSPORT_SSE) all *= 2;
  unsigned processes = (all + CONNECTIONS_PER_PROCESS - 1) / CONNECTIONS_PER_PROCESS;
  if (!given->processes) options->processes = processes;
  if (options->processes == 0 || options->processes > options->connections)
    refuse("--processes must be from 1 to the number of connections");
  if (!target_is_loopback(&options->target))
    options->sources = 0;
  else if (!given->sources)
    options->sources = (all + CONNECTIONS_PER_SOURCE - 1) / CONNECTIONS_PER_SOURCE;
}

static void apply(options *options, given *given, int code, const char *value) {
  if (code == 'h') {
    fputs(manual, stdout);
    exit(0);
  }
  if (code == '?') exit(2);
  read_protocol_option(options, given, code, value);
  read_load_option(options, given, code, value);
  read_mode_option(options, code, value);
  read_output_option(options, code, value);
}

void options_read(options *options, int count, char **arguments) {
  *options = (struct options){
      .era = ERA_MODERN,
      .connections = 16,
      .hold = HOLD_CALL,
      .opening = 64,
      .duration = UINT64_C(10000000000),
      .warmup = UINT64_C(1000000000),
      .timeout = UINT64_C(10000000000),
      .each = 1,
      .tool = "echo",
      .size = 300,
      .topic = "bench://events",
      .publications = 100,
      .label = "",
  };
  given given = {0};
  int code;
  while ((code = getopt_long(count, arguments, "c:d:n:w:r:qh", table, NULL)) != -1)
    apply(options, &given, code, optarg);
  if (count - optind != 2) refuse("it takes a mode and a URL");
  options->mode = (mode_kind)read_choice("mode", arguments[optind], mode_names, 5);
  options->url = arguments[optind + 1];
  read_target("URL", &options->target, options->url);
  settle(options, &given);
}
