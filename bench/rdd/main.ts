/**
 * Sheaf beside Spark's own shell, DuckDB, Polars, Ray Data and plain JavaScript: the same jobs over the same rows on the
 * same two cores, interleaved, their results compared.
 *
 *     npm run bench:rdd -- [--cases …] [--peers …] [--rounds N] [--data DIR] [--json FILE] [--quick]
 *
 * Every peer is a process of its own that lives through the whole run, so that its code is warm and start-up is not timed.
 * Python packages (Spark among them) are installed once into an environment in the cache; Java 17 must be there.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runSession, type Session } from '../common/session.js';
import { casesOf } from './cases.js';
import { recordingsDirectory } from './data.js';
import { measure, type Running, type Table, tableOf } from './measure.js';
import { type Options, optionsOf, USAGE } from './options.js';
import type { Peer } from './peers.js';
import { meanRatio, ratioInterval, report } from './report.js';

/** What the slots run. */
const BUILT = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

async function main(options: Options, session: Session): Promise<number> {
  const { home, tell } = session;
  if (!existsSync(BUILT)) throw new Error('Sheaf is not built: run `npm run build`');
  const unpacked = join(home, 'data');
  mkdirSync(unpacked);
  const needsData = options.wanted('csv');
  const data = needsData ? recordingsDirectory(options.data, unpacked) : undefined;
  if (needsData && !data) tell('no CSV case: give the MotionSense data by --data DIR\n');
  const cases = casesOf(data, options.quick ? 10 : 1).filter(({ id }) => options.wanted(id));
  if (cases.length === 0) throw new Error('--cases names no case');

  const running: Running[] = [];
  for (const peer of options.peers) running.push({ peer, process: await session.start(peer) });
  const table = tableOf(cases, options.peers);
  const conclude = () => {
    console.log(
      `${cpus().length} cores of ${cpus()[0]!.model}, Node ${process.versions.node}; ${options.rounds} rounds\n`,
    );
    console.log(report(table, options.peers));
    if (options.json) writeFileSync(options.json, `${JSON.stringify(figures(table, options.peers), null, 2)}\n`);
  };
  session.onInterrupt(conclude);
  await measure(table, running, { ...options, tell });
  tell('');
  if (session.interrupted) return 1;
  conclude();
  return [...table.values()].some((cells) => [...cells.values()].some(({ failure }) => failure)) ? 1 : 0;
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

await runSession('bench:rdd', async (session) => {
  const options = optionsOf(process.argv.slice(2));
  if (options !== 'help') return main(options, session);
  console.log(USAGE);
  return 0;
});
