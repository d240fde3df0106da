/**
 * fetch.ts over TLS, with good and with broken certificates made for the run.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { writeAll } from "../../mod.ts";
import { type Certificates, certificatesOfFile, type Chain } from "../support/certificates.ts";
import { Folder } from "../support/folder.ts";
import { testPeer } from "../support/peers.ts";
import { closedPort, copy, FakeServer } from "../support/servers.ts";
import {
  assertFile,
  boundedFetch,
  byCommand,
  byLibrary,
  curl,
  download,
  downloadAll,
  type Way,
} from "./download.ts";
import { serveSite, type TlsVersion } from "./http_servers.ts";
import { TLS, type TlsExercise, type TlsServer } from "./matrix.ts";
import { breakingRelay } from "./relay.ts";
import { BIG, type Site, siteOfFile } from "./site.ts";

/** What a test has: a site, certificates, a server, a folder to save into, and the way there. */
interface Scene {
  server: TlsServer;
  site: Site;
  certificates: Certificates;
  folder: Folder;
  way: Way;
}

/** Both must save the file over this version of TLS, and no other is there. */
async function speak(
  version: TlsVersion,
  { server, site, certificates, folder, way }: Scene,
) {
  const tls = { chain: certificates.good, version }, cacert = certificates.ca;
  await using peer = await serveSite(server, { site: site.folder, tls });
  const urls = ["127.0.0.1", "localhost"].map((name) => `https://${name}:${peer.port}/small.txt`);
  const bytes = site.files["small.txt"]!;
  await downloadAll(folder, way, urls.map((url) => ({ url, bytes, asked: { cacert } })));
  const { stderr } = await curl(folder, "--verbose", "--cacert", cacert, ...urls);
  assertEquals(stderr.match(/(?<=using TLSv)\d\.\d/g), [version, version]);
}

/** Both must refuse the certificate, and save nothing. */
async function refuse(
  chain: Chain,
  { server, site, certificates, folder, way }: Scene,
) {
  const tls = { chain, version: "1.3" } as const;
  await using peer = await serveSite(server, { site: site.folder, tls });
  const url = `https://127.0.0.1:${peer.port}/small.txt`;
  const asked = { cacert: certificates.ca, output: "refused" };
  const ours = await way.get(folder, url, asked);
  assertEquals(ours.code, 60, ours.stderr);
  assertMatch(ours.stderr, /^fetch: .*certificate.*\n$/);
  assertEquals(
    (await curl(folder, "--cacert", asked.cacert, "--output", asked.output, url)).code,
    60,
  );
  const saved = folder.names;
  assertEquals(saved.filter((name) => name.startsWith("refused")), []);
}

/** Starts an nginx that serves https, and at another port leads there. */
async function leadToHttps(
  { site }: Scene,
  chain: Chain,
  origin: (port: number) => string,
): Promise<AsyncDisposable & { plain: number; secure: number }> {
  let plain = 0;
  const peer = await serveSite("nginx", {
    site: site.folder,
    tls: { chain, version: "1.3" },
    more(port) {
      plain = closedPort();
      return `server {
        listen 127.0.0.1:${plain};
        return 301 ${origin(port)}$request_uri;
      }`;
    },
  });
  return { ...peer, plain, secure: peer.port };
}

/** A proxy for which all hosts are here, with these ports for 80 and 443. */
function proxyToHere({ plain, secure }: { plain: number; secure: number }): {
  proxy: FakeServer;
  asked: string[];
} {
  const asked: string[] = [];
  const proxy = new FakeServer(async (client) => {
    let head = "";
    for (const byte = new Uint8Array(1); !head.endsWith("\r\n\r\n");) {
      if (await client.read(byte) === null) return;
      head += String.fromCharCode(byte[0]!);
    }
    const [method, target] = head.split(" ");
    asked.push(`${method} ${target}`);
    const tunnel = method === "CONNECT";
    using server = await Deno.connect({ port: tunnel ? secure : plain });
    const first = tunnel ? "HTTP/1.1 200 Connected\r\n\r\n" : head;
    await writeAll(tunnel ? client : server, new TextEncoder().encode(first));
    await Promise.all([copy(client, server), copy(server, client)]);
  });
  return { proxy, asked };
}

const EXERCISES: Record<TlsExercise, (scene: Scene) => Promise<void>> = {
  "TLS 1.2": (scene) => speak("1.2", scene),
  "TLS 1.3": (scene) => speak("1.3", scene),
  "a certificate for another name": (scene) => refuse(scene.certificates.wrongName, scene),
  "a certificate that expired": (scene) => refuse(scene.certificates.expired, scene),
  "a CA that nobody knows": (scene) => refuse(scene.certificates.unknownCa, scene),
  "a missing intermediate certificate": (scene) => refuse(scene.certificates.noIntermediate, scene),

  async "an abrupt end"({ server, site, certificates, folder, way }) {
    const tls = { chain: certificates.good, version: "1.3" } as const;
    await using peer = await serveSite(server, { site: site.folder, tls });
    await using relay = breakingRelay(peer, BIG / 5);
    const url = `https://127.0.0.1:${relay.port}/big.bin`;
    const fetching = way.get(folder, url, { retry: 0, cacert: certificates.ca });
    await Promise.race([relay.held, fetching]);
    await peer.kill();
    relay.release(peer);
    const { code, stderr } = await fetching;
    assertEquals(code, 18, stderr);
    const { size } = await Deno.stat(folder.file("big.bin.part"));
    assert(0 < size && size < BIG, `${size} bytes`);
  },

  async "from http to https, to another name"(scene) {
    const { site, certificates, folder, way } = scene;
    await using nginx = await leadToHttps(
      scene,
      certificates.good,
      (port) => `https://127.0.0.1:${port}`,
    );
    const report = await download(folder, way, {
      url: `http://localhost:${nginx.plain}/a%20b.txt?a=1`,
      bytes: site.files["a b.txt"]!,
      asked: { cacert: certificates.ca },
    });
    const final = `https://127.0.0.1:${nginx.secure}/a%20b.txt?a=1`;
    assertEquals(report.finalUrl, final);
  },

  async "the default URL"(scene) {
    const { site, certificates, folder } = scene;
    const origin = () => "https://www.sina.com.cn";
    await using nginx = await leadToHttps(scene, certificates.sina, origin);
    const { proxy, asked } = proxyToHere(nginx);
    await using _ = proxy;
    const { code, stdout, stderr } = await boundedFetch(
      folder,
      ...["--cacert", certificates.ca],
      ...["--proxy", `http://127.0.0.1:${proxy.port}`],
    );
    assertEquals(code, 0, stderr);
    assertEquals(asked, [
      "GET http://www.sina.com.cn/",
      "CONNECT www.sina.com.cn:443",
    ]);
    await assertFile(folder.file("sina.html"), site.files["index.html"]!);
    assertMatch(stdout, /^HTTP\/1\.1 200 OK\nServer: nginx/);
    assertMatch(stderr, /^saved sina\.html \([\d,]+ bytes in .* s\)\n$/);
  },
};

/** What runs the command with the first server; the library does the rest, without a process. */
const BY_COMMAND: readonly TlsExercise[] = [
  "TLS 1.3",
  "a certificate for another name",
  "an abrupt end",
];

const madeSite = siteOfFile(), madeCertificates = certificatesOfFile();

for (const { peer: server, needs, exercised } of TLS) {
  testPeer(`fetch.ts trusts ${server} when curl does`, [...needs, "curl"], async (t) => {
    await using folder = new Folder("fetch");
    const scene = { server, site: madeSite(), certificates: madeCertificates(), folder };
    for (const name of exercised) {
      const isCommand = server === TLS[0]!.peer && BY_COMMAND.includes(name);
      const way = isCommand ? byCommand : byLibrary;
      await t.step(name, () => EXERCISES[name]({ ...scene, way }));
    }
  });
}
