#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_collect(report *report, const board *board) {
  for (unsigned i = 0; i < board->workers; i++) {
    const tally *tally = &board->tallies[i];
    histogram_add(&report->latency, &tally->latency);
    report->done += tally->done;
    for (unsigned fault = 0; fault < FAULT_COUNT; fault++) {
      report->faults[fault] += tally->faults[fault];
      report->errors += tally->faults[fault];
    }
  }
}

static double rate(const report *report) {
  return report->seconds > 0 ? (double)report->done / report->seconds : 0;
}

static double microseconds(const report *report, double fraction) {
  return (double)histogram_quantile(&report->latency, fraction) / 1e3;
}

static double mean(const report *report) {
  return report->latency.count == 0
             ? 0
             : (double)report->latency.sum / (double)report->latency.count / 1e3;
}

static double cpu_per_operation(const report *report) {
  if (report->done == 0) return 0;
  return (double)(report->during.cpu - report->start.cpu) / 1e3 / (double)report->done;
}

static double pss_per_connection(const report *report) {
  if (report->open == 0) return 0;
  return ((double)report->during.pss - (double)report->before.pss) / (double)report->open;
}

/* ---- The table ---- */

static void print_time(const char *name, double microseconds) {
  if (microseconds < 1e4)
    printf("  %-12s %12.1f us\n", name, microseconds);
  else
    printf("  %-12s %12.2f ms\n", name, microseconds / 1e3);
}

static void print_server(const report *report) {
  printf("\nserver\n");
  if (report->done > 0)
    printf("  %-12s %12.2f us for each operation\n", "cpu", cpu_per_operation(report));
  printf("  %-12s %12.2f s while it was measured\n", "",
         (double)(report->during.cpu - report->start.cpu) / 1e9);
  printf("  %-12s %12.2f MiB before\n", "pss", (double)report->before.pss / 1048576);
  printf("  %-12s %12.2f MiB during, %.0f bytes for each connection\n", "",
         (double)report->during.pss / 1048576, pss_per_connection(report));
  printf("  %-12s %12.2f MiB after\n", "", (double)report->after.pss / 1048576);
}

static void print_table(const report *report) {
  const options *options = report->options;
  printf("%s %s, %s, era %s\n\n", options_mode_name(options), options->url,
         options_transport_name(options), options_era_name(options));
  printf("  %-12s %12llu open, in %.2f s\n", "connections", (unsigned long long)report->open,
         report->opening);
  printf("  %-12s %12llu in %.2f s\n", options->mode == MODE_FANOUT ? "deliveries" : "operations",
         (unsigned long long)report->done, report->seconds);
  if (report->latency.count > 0) {
    printf("  %-12s %12.1f /s\n", "rate", rate(report));
    print_time("mean", mean(report));
    print_time("p50", microseconds(report, 0.5));
    print_time("p90", microseconds(report, 0.9));
    print_time("p99", microseconds(report, 0.99));
    print_time("p99.9", microseconds(report, 0.999));
    print_time("max", (double)report->latency.max / 1e3);
  }
  printf("  %-12s %12llu\n", "errors", (unsigned long long)report->errors);
  for (unsigned fault = 1; fault < FAULT_COUNT; fault++) {
    if (report->faults[fault] > 0)
      printf("    %-10s %12llu\n", fault_name((enum fault)fault),
             (unsigned long long)report->faults[fault]);
  }
  if (options->pid_count > 0) print_server(report);
}

/* ---- For programs ---- */

static FILE *open_output(const char *path) {
  FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
  if (file == NULL) {
    fprintf(stderr, "sluice-load: cannot write %s\n", path);
    exit(2);
  }
  return file;
}

static void close_output(FILE *file) {
  if (file != stdout) fclose(file);
}

static void print_json_text(FILE *file, const char *text) {
  putc('"', file);
  for (; *text != '\0'; text++) {
    unsigned char byte = (unsigned char)*text;
    if (byte == '"' || byte == '\\')
      fprintf(file, "\\%c", byte);
    else if (byte < 0x20)
      fprintf(file, "\\u%04x", byte);
    else
      putc(byte, file);
  }
  putc('"', file);
}

static void print_json(const report *report, FILE *file) {
  const options *options = report->options;
  fputs("{\"label\": ", file);
  print_json_text(file, options->label);
  fprintf(file, ", \"mode\": \"%s\", \"transport\": \"%s\", \"era\": \"%s\", \"url\": ",
          options_mode_name(options), options_transport_name(options), options_era_name(options));
  print_json_text(file, options->url);
  fprintf(file, ",\n \"connections\": %llu, \"opening_seconds\": %.6f, \"seconds\": %.6f,",
          (unsigned long long)report->open, report->opening, report->seconds);
  fprintf(file, "\n \"operations\": %llu, \"rate\": %.2f,", (unsigned long long)report->done,
          rate(report));
  fprintf(file,
          "\n \"latency_us\": {\"mean\": %.2f, \"p50\": %.2f, \"p90\": %.2f, \"p99\": %.2f, "
          "\"p99.9\": %.2f, \"max\": %.2f},",
          mean(report), microseconds(report, 0.5), microseconds(report, 0.9),
          microseconds(report, 0.99), microseconds(report, 0.999),
          (double)report->latency.max / 1e3);
  fprintf(file, "\n \"errors\": %llu, \"faults\": {", (unsigned long long)report->errors);
  for (unsigned fault = 1; fault < FAULT_COUNT; fault++)
    fprintf(file, "%s\"%s\": %llu", fault == 1 ? "" : ", ", fault_name((enum fault)fault),
            (unsigned long long)report->faults[fault]);
  fputs("}", file);
  if (options->pid_count > 0) {
    fprintf(file,
            ",\n \"server\": {\"cpu_us\": %.1f, \"cpu_us_per_operation\": %.4f, "
            "\"pss_before\": %llu, \"pss_during\": %llu, \"pss_after\": %llu, "
            "\"pss_per_connection\": %.1f}",
            (double)(report->during.cpu - report->start.cpu) / 1e3, cpu_per_operation(report),
            (unsigned long long)report->before.pss, (unsigned long long)report->during.pss,
            (unsigned long long)report->after.pss, pss_per_connection(report));
  }
  fputs("}\n", file);
}

static void print_csv(const report *report, FILE *file) {
  const options *options = report->options;
  fputs("label,mode,transport,era,connections,seconds,operations,rate,mean_us,p50_us,p90_us,p99_us,"
        "p99.9_us,max_us,errors,cpu_us_per_operation,pss_before,pss_during,pss_after\n",
        file);
  fputc('"', file);
  for (const char *at = options->label; *at != '\0'; at++)
    fputs(*at == '"' ? "\"\"" : (char[2]){*at, '\0'}, file);
  fprintf(file, "\",%s,%s,%s,%llu,%.6f,%llu,%.2f", options_mode_name(options),
          options_transport_name(options), options_era_name(options),
          (unsigned long long)report->open, report->seconds, (unsigned long long)report->done,
          rate(report));
  fprintf(file, ",%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%llu", mean(report), microseconds(report, 0.5),
          microseconds(report, 0.9), microseconds(report, 0.99), microseconds(report, 0.999),
          (double)report->latency.max / 1e3, (unsigned long long)report->errors);
  if (options->pid_count > 0)
    fprintf(file, ",%.4f,%llu,%llu,%llu\n", cpu_per_operation(report),
            (unsigned long long)report->before.pss, (unsigned long long)report->during.pss,
            (unsigned long long)report->after.pss);
  else
    fputs(",,,,\n", file);
}

void report_print(const report *report) {
  const options *options = report->options;
  bool quiet = false;
  if (options->json != NULL) {
    FILE *file = open_output(options->json);
    quiet |= file == stdout;
    print_json(report, file);
    close_output(file);
  }
  if (options->csv != NULL) {
    FILE *file = open_output(options->csv);
    quiet |= file == stdout;
    print_csv(report, file);
    close_output(file);
  }
  if (!quiet) print_table(report);
}
