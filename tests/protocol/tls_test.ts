/**
 * What goes wrong with TLS, as sentences.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { certificateFault, tlsError } from "../../protocol/tls.ts";

Deno.test("tlsError says what is wrong with a certificate, or with the handshake", () => {
  const cases: [text: string, code: number, says: string, topic?: string][] = [
    ["invalid peer certificate: UnknownIssuer", 60, "not trusted: unknown issuer", "issuer"],
    ['invalid peer certificate: certificate not valid for name "a"', 60, "for another name"],
    ["invalid peer certificate: certificate expired: verification time", 60, "it has expired"],
    ["invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))", 60, "an authority's own"],
    ["invalid peer certificate: BadSignature", 60, "not trusted: BadSignature"],
    ["received corrupt message of type InvalidContentType", 35, "what answers there is not TLS"],
    ["received fatal alert: HandshakeFailure", 35, "a:1 failed: received fatal alert"],
    ["Connection reset by peer (os error 104)", 35, "a:1 failed: Connection reset by peer"],
  ];
  for (const [text, code, says, topic] of cases) {
    const cause = new Error(text), error = tlsError(cause, "a:1");
    assertEquals([error.code, error.topic, error.cause], [code, topic, cause], text);
    assertEquals(
      error.message.includes(says) && error.message.includes("a:1"),
      true,
      error.message,
    );
  }
});

/** A PEM block around the bytes of a DER sequence of so many bytes, damaged or not. */
function pem(damage: (der: number[]) => number[] = (der) => der): string {
  const der = damage([0x30, 0x82, 0x01, 0x00, ...Array(256).fill(7)]);
  const lines = btoa(String.fromCharCode(...der)).match(/.{1,64}/g)!;
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

Deno.test("certificateFault finds none in whole certificates, and text around them", () => {
  for (
    const text of [
      pem(),
      `# of the house\n${pem()}\n${pem()}`,
      pem().replaceAll("\n", "\r\n"),
      `${pem().replace(/^/gm, "# ")}\n${pem()}`,
    ]
  ) {
    assertEquals(certificateFault(text), undefined);
  }
});

Deno.test("certificateFault says that there is none, or that one is damaged", () => {
  const none = "no certificate in PEM form is in it", damaged = "a certificate in it is damaged";
  const bad: [what: string, text: string, says: string][] = [
    ["nothing", "", none],
    ["a key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", none],
    ["one without end", pem().replace(/-----END.*/, ""), none],
    ["one that is cut", pem((der) => der.slice(0, -1)), damaged],
    ["one with more", pem((der) => [...der, 0]), damaged],
    ["no sequence", pem((der) => [0x31, ...der.slice(1)]), damaged],
    ["no base64", pem().replace("MII", "M!I"), damaged],
    ["a good and a bad one", pem() + pem((der) => der.slice(1)), damaged],
  ];
  for (const [what, text, says] of bad) assertEquals(certificateFault(text), says, what);
});
