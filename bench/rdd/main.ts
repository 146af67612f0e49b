/**
 * Sheaf beside Spark's own shell, DuckDB, Polars, Ray Data and plain JavaScript: the same jobs over the same rows on the
 * same two cores, interleaved, their results compared.
 *
 *     npm run bench:rdd -- [--cases …] [--peers …] [--rounds N] [--data DIR] [--json FILE] [--quick]
 *
 * Every peer is a process of its own that lives through the whole run, so that its code is warm and start-up is not timed.
 * Python packages (Spark among them) are installed once into an environment in the cache; Java 17 must be there.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { casesOf } from './cases.js';
import { recordingsDirectory } from './data.js';
import { measure, type Running, type Table, tableOf } from './measure.js';
import { type Options, optionsOf, USAGE } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Peer } from './peers.js';
import { meanRatio, ratioInterval, report } from './report.js';

/** What the slots run. */
const BUILT = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

const started = new Set<PeerProcess>();
let home: string | undefined;
let interrupted = false;
/** Prints what is known: at the end, or after Ctrl-C. */
let conclude = () => {};

async function main(options: Options): Promise<number> {
  if (!existsSync(BUILT)) throw new Error('Sheaf is not built: run `npm run build`');
  home = mkdtempSync(join(tmpdir(), 'sheaf-bench-'));
  const unpacked = join(home, 'data');
  mkdirSync(unpacked);
  const needsData = options.wanted('csv');
  const data = needsData ? recordingsDirectory(options.data, unpacked) : undefined;
  if (needsData && !data) tell('no CSV case: give the MotionSense data by --data DIR\n');
  const cases = casesOf(data, options.quick ? 10 : 1).filter(({ id }) => options.wanted(id));
  if (cases.length === 0) throw new Error('--cases names no case');

  const running: Running[] = [];
  for (const peer of options.peers) running.push({ peer, process: await start(peer, home) });
  const table = tableOf(cases, options.peers);
  conclude = () => {
    console.log(
      `${cpus().length} cores of ${cpus()[0]!.model}, Node ${process.versions.node}; ${options.rounds} rounds\n`,
    );
    console.log(report(table, options.peers));
    if (options.json) writeFileSync(options.json, `${JSON.stringify(figures(table, options.peers), null, 2)}\n`);
  };
  await measure(table, running, { ...options, tell });
  tell('');
  if (interrupted) return 1;
  conclude();
  return [...table.values()].some((cells) => [...cells.values()].some(({ failure }) => failure)) ? 1 : 0;
}

async function start(peer: Peer, home: string): Promise<PeerProcess> {
  tell(`starting ${peer.title}`);
  const own = join(home, peer.id);
  mkdirSync(own);
  try {
    return await PeerProcess.start(peer.id, peer.launch(own), join(home, `${peer.id}.log`), started);
  } catch (error) {
    throw new Error(`${peer.title} does not start: ${(error as Error).message}`);
  }
}

function figures(table: Table, peers: readonly Peer[]) {
  return {
    at: new Date().toISOString(),
    node: process.versions.node,
    cpu: cpus()[0]!.model,
    cores: cpus().length,
    cases: [...table].map(([each, cells]) => ({
      ...each,
      peers: Object.fromEntries(
        [...cells].map(([peer, cell]) => [
          peer.id,
          { ...cell, sheafOverPeer: ratioInterval(table, each, peer, peers) },
        ]),
      ),
    })),
    sheafOverPeer: Object.fromEntries(peers.map((peer) => [peer.id, meanRatio(table, peer, peers)])),
  };
}

/** One line of progress, which the next overwrites on a terminal; what ends with a line feed stays. */
function tell(what: string): void {
  if (interrupted) return;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`);
  else if (what.endsWith('\n')) process.stderr.write(what);
}

async function cleanUp(): Promise<void> {
  await Promise.all([...started].map((peer) => (interrupted ? peer.interrupt() : peer.stop())));
  if (home) rmSync(home, { recursive: true, force: true });
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => {
    process.stderr.write('\nstopping the peers …\n');
    if (!interrupted) conclude();
    interrupted = true;
    void cleanUp().finally(() => process.exit(code));
  });
process.once('exit', () => {
  for (const peer of started) peer.kill();
});

try {
  const options = optionsOf(process.argv.slice(2));
  if (options === 'help') console.log(USAGE);
  else process.exitCode = await main(options);
} catch (error) {
  if (!interrupted) console.error(`bench:rdd: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  if (!interrupted) await cleanUp();
}
