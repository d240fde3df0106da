/**
 * What goes wrong with TLS, in sentences: handshakes, certificates, files of certificates.
 *
 * @module
 */
import { EXIT, systemReason, TrioError } from "../mod.ts";

function certificateReason(why: string): string {
  if (why.startsWith("UnknownIssuer")) return "unknown issuer";
  if (/not ?valid ?for ?name/i.test(why)) return "it is for another name";
  if (/expired/i.test(why)) return "it has expired";
  if (why.includes("CaUsedAsEndEntity")) {
    return "it is an authority's own, which signs others and serves nobody; make one for the " +
      "server, signed by it";
  }
  return why;
}

/** The error for a handshake with `host` that failed; unknown issuers have the topic `issuer`. */
export function tlsError(error: unknown, host: string): TrioError {
  const text = systemReason(error);
  const why = /^invalid peer certificate: (.*)$/s.exec(text)?.[1];
  if (why !== undefined) {
    const topic = why.startsWith("UnknownIssuer") ? "issuer" : undefined;
    const text = `the certificate of ${host} is not trusted: ${certificateReason(why)}`;
    return new TrioError(EXIT.certificate, text, { cause: error, topic });
  }
  const plain = text.includes("InvalidContentType");
  const what = plain ? "what answers there is not TLS" : text;
  return new TrioError(EXIT.tls, `TLS handshake with ${host} failed: ${what}`, { cause: error });
}

/** Whether a text is base64 of one DER sequence, all of it: else the server's would be blamed. */
function isCertificate(base64: string): boolean {
  try {
    const der = Uint8Array.from(atob(base64.replace(/\s/g, "")), (char) => char.charCodeAt(0));
    const octets = der[1]! & 0x7f; // the length takes more bytes, as every certificate's does
    const length = der.subarray(2, 2 + octets).reduce((sum, byte) => sum * 256 + byte, 0);
    return der[0] === 0x30 && der[1]! > 0x80 && der.length === 2 + octets + length;
  } catch {
    return false;
  }
}

/**
 * What is wrong with a text that has to be certificates in PEM form (RFC 7468), if anything: a
 * damaged one would be blamed on the server.
 */
export function certificateFault(pem: string): string | undefined {
  const blocks = pem.matchAll(/^-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/gm);
  const bodies = [...blocks].map(([, body]) => body!);
  if (bodies.length === 0) return "no certificate in PEM form is in it";
  return bodies.every(isCertificate) ? undefined : "a certificate in it is damaged";
}
