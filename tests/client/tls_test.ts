/**
 * client.ts over TLS.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { connect } from "../../client.ts";
import { TransientError, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { encode } from "../support/bytes.ts";
import { certificatesOfFile } from "../support/certificates.ts";
import { runClient } from "../support/client.ts";
import { testPeer } from "../support/peers.ts";
import { runScript } from "../support/process.ts";
import { clientEnds, copy, FakeServer, TlsServer } from "../support/servers.ts";

const certificates = certificatesOfFile();

testPeer(
  "client.ts --cacert trusts those certificates, and --tls alone does not",
  ["openssl"],
  async () => {
    const { ca, good } = certificates();
    const greetAs = async (options: string[]) => {
      using listener = Deno.listenTls({
        hostname: "127.0.0.1",
        port: 0,
        cert: await Deno.readTextFile(good.certificate),
        key: await Deno.readTextFile(good.key),
      });
      const result = runScript("client.ts", ["-p", `${listener.addr.port}`, ...options, "Ada"]);
      {
        using conn = await listener.accept();
        await writeAll(conn, encode("Welcome!Hello, Ada!")).catch(() => {});
        let heard = "";
        while (!heard.endsWith("exit")) {
          const buffer = new Uint8Array(99);
          const n = await conn.read(buffer).catch(() => null); // it is not trusted
          if (n === null) break;
          heard += new TextDecoder().decode(buffer.subarray(0, n));
        }
      } // closes without a close_notify
      return await result;
    };
    const { code, stdout } = await greetAs(["--cacert", ca]);
    assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\nHello, Ada!\n" });
    const untrusted = await greetAs(["--tls"]);
    assertEquals(untrusted.code, 60);
    assertMatch(
      untrusted.stderr,
      /^client: the certificate of 127\.0\.0\.1:\d+ is not trusted: [^\n]*\n$/,
    );
  },
);

testPeer("connect trusts no certificate for another name, of another time or CA, nor tries again", [
  "openssl",
], async () => {
  const { caCerts, good, wrongName, expired, unknownCa } = certificates();
  const cases = [wrongName, expired, unknownCa].map((chain) => [chain, caCerts] as const);
  for (const [chain, caCerts] of [...cases, [good, []] as const]) {
    await using server = new TlsServer(chain, async () => {});
    const pending = connect({ port: server.port, tls: true, caCerts: [...caCerts] });
    const message = `certificate of 127.0.0.1:${server.port} is not trusted: `;
    assert(!(await rejectsWith(60, pending, message) instanceof TransientError));
  }
});

Deno.test("client.ts --servername exits with 35 where no TLS is spoken", async () => {
  await using server = new FakeServer((conn) => writeAll(conn, encode("Welcome!")));
  const { code, stderr } = await runClient(server.port, ["--servername=localhost"]);
  assertEquals(code, 35);
  assertMatch(stderr, /^client: TLS handshake with .* failed: .*\n$/);
});

testPeer(
  "client.ts --tls is content with an end without close_notify after exit",
  ["openssl"],
  async () => {
    const exited = Promise.withResolvers<void>(), cut = Promise.withResolvers<void>();
    await using service = new TlsServer(certificates().good, async (conn) => {
      await writeAll(conn, encode("Welcome!"));
      await conn.read(new Uint8Array(9));
      exited.resolve();
      await cut.promise; // it ends TLS only when the client has been cut off
    });
    await using middle = new FakeServer(async (conn) => {
      using behind = await Deno.connect({ port: service.port });
      const copied = Promise.allSettled([copy(conn, behind), copy(behind, conn)]);
      await exited.promise;
      conn.close();
      cut.resolve();
      await copied;
    });
    const args = ["-p", `${middle.port}`, "--cacert", certificates().ca, "exit"];
    const { code, stdout, stderr } = await runScript("client.ts", args);
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "Welcome!\n", stderr: "" });
  },
);

testPeer("connect tells what is no TLS from the end of it", ["openssl"], async () => {
  const { good, caCerts } = certificates();
  await using service = new TlsServer(good, async (conn) => {
    await writeAll(conn, encode("Welcome!"));
    await clientEnds(conn);
  });
  const greeted = Promise.withResolvers<void>();
  await using middle = new FakeServer(async (conn) => {
    using behind = await Deno.connect({ port: service.port });
    greeted.promise.then(() => conn.write(encode("Server going down\n")));
    await Promise.all([copy(conn, behind), copy(behind, conn)]);
  });
  await using greeter = await connect({ port: middle.port, tls: true, caCerts });
  greeted.resolve();
  await rejectsWith(56, greeter.greet("Ada"), " broke: ");
});
