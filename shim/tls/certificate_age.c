/*
 * A certificate has expired at the earliest of three times: the end of its validity, max-certificate-age after its
 * beginning, and max-key-age after the first use of its key. See certificate_age.h.
 */
#include "tls/certificate_age.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "audit/builder.h"
#include "base/error_text.h"
#include "base/large.h"
#include "config/cryptoperiod.h"
#include "tls/fingerprints.h"
#include "tls/key_state.h"
#include "tls/policy_pin.h"

enum { DAY_S = 86400, SUBJECT_MAX = 256 };

LARGE static struct fingerprints expiring, expired; /* those whose event is written */
static atomic_bool is_state_reported;

/* When a certificate expires, and since when it counts; Unix time. */
struct period {
    int64_t begin, end;
    const char *limit;  /* what sets the end, for the event */
    const char *reason; /* why it is refused then */
};

void certificate_age_begin(void)
{
    key_state_begin(&tls_policy()->tls);
}

/* Converts libcrypto's time. False: it is none. */
static bool read_time(const struct libssl *lib, const ASN1_TIME *time, int64_t now, int64_t *seconds)
{
    int days = 0, rest = 0;
    if (lib->ASN1_TIME_diff(&days, &rest, NULL, time) != 1)
        return false;
    *seconds = now + (int64_t)days * DAY_S + rest;
    return true;
}

static void limit(struct period *period, int64_t begin, uint32_t age_s, const char *what, const char *reason)
{
    if (age_s != 0 && begin + age_s < period->end)
        *period = (struct period){begin, begin + age_s, what, reason};
}

static void report_state(const struct policy_tls *tls, int error)
{
    const struct audit_field fields[] = {
        AUDIT_S("kind", "key-state"),
        AUDIT_S("reason", "when the server's key was first used cannot be read or written"),
        AUDIT_S("file", tls->key_state),
        AUDIT_S("detail", error_text(error)),
        AUDIT_S("rule", "certificate"),
    };
    if (!atomic_exchange(&is_state_reported, true))
        audit_event("finding", fields, sizeof fields / sizeof fields[0]);
}

/* Takes the age of the key into account. False: it cannot be known. */
static bool limit_key(const struct libssl *lib, const X509 *certificate, struct period *period, int64_t now)
{
    const struct policy_tls *tls = &tls_policy()->tls;
    unsigned char digest[FINGERPRINT_BYTES];
    int64_t first = now;
    if (tls->max_key_age_s == 0 || period->begin > now) /* a clock that is wrong must not be written down */
        return true;
    if (!fingerprint_take_key(digest, lib, certificate))
        return false;
    const int error = key_state_first_use(digest, now, &first);
    if (error != 0)
        report_state(tls, -error);
    limit(period, first, tls->max_key_age_s, "max-key-age",
          "the server's key has been in use for longer than max-key-age");
    return error == 0;
}

static void report(const struct libssl *lib, SSL *ssl, X509 *certificate, const struct period *period, bool is_over)
{
    char subject[SUBJECT_MAX] = "", begin[CRYPTOPERIOD_TIME_BYTES], end[CRYPTOPERIOD_TIME_BYTES];
    char text[FINGERPRINT_TEXT];
    unsigned char fingerprint[FINGERPRINT_BYTES];
    if (!fingerprint_take(fingerprint, lib, certificate) ||
        !fingerprints_add(is_over ? &expired : &expiring, fingerprint))
        return;
    if (lib->X509_NAME_oneline != NULL && lib->X509_get_subject_name != NULL)
        (void)lib->X509_NAME_oneline(lib->X509_get_subject_name(certificate), subject, sizeof subject);
    const struct audit_field fields[] = {
        AUDIT_S("kind", "certificate"),
        AUDIT_S("server_name", lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)),
        AUDIT_S("subject", audit_optional(subject)),
        AUDIT_S("fingerprint", fingerprint_text(text, fingerprint)),
        AUDIT_S("reason", period->limit),
        AUDIT_S("created", cryptoperiod_format_time(begin, period->begin)),
        AUDIT_S("expires", cryptoperiod_format_time(end, period->end)),
    };
    audit_event(is_over ? "expired" : "expiring", fields, sizeof fields / sizeof fields[0]);
}

/* Returns why the certificate is refused with expired = refuse. */
static const char *check(const struct libssl *lib, SSL *ssl, X509 *certificate)
{
    const struct policy_tls *tls = &tls_policy()->tls;
    const int64_t now = (int64_t)time(NULL);
    struct period period = {.limit = "validity", .reason = "the server's certificate has expired"};
    if (lib->ASN1_TIME_diff == NULL || lib->X509_get0_notAfter == NULL || lib->X509_get0_notBefore == NULL ||
        !read_time(lib, lib->X509_get0_notBefore(certificate), now, &period.begin) ||
        !read_time(lib, lib->X509_get0_notAfter(certificate), now, &period.end))
        return "the age of the server's certificate cannot be read";
    const int64_t not_before = period.begin;
    const bool is_known = limit_key(lib, certificate, &period, now);
    limit(&period, not_before, tls->max_certificate_age_s, "max-certificate-age",
          "the server's certificate is older than max-certificate-age");
    const bool is_over = now >= period.end;
    if (is_over || (tls->warn_before_s != 0 && now >= period.end - tls->warn_before_s))
        report(lib, ssl, certificate, &period, is_over);
    if (is_over)
        return period.reason;
    return is_known ? NULL
                    : "the age of the server's key cannot be known, expected a key-state that can be written";
}

const char *certificate_age_check(const struct libssl *lib, SSL *ssl)
{
    const struct policy_tls *tls = &tls_policy()->tls;
    X509 *const certificate = policy_tls_has_ages(tls) ? lib->SSL_get_certificate(ssl) : NULL;
    if (certificate == NULL) /* a preshared key has no certificate */
        return NULL;
    const char *const reason = check(lib, ssl, certificate);
    return tls->expired == POLICY_EXPIRED_REFUSE ? reason : NULL;
}
