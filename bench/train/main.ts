/**
 * Training by Sheaf beside PyTorch (eager, compiled, distributed), Spark MLlib (with its own and with native algebra) and
 * TensorFlow.js: the same networks on the same rows and the same two cores, interleaved.
 *
 *     npm run bench:train -- [--cases …] [--peers …] [--rounds N] [--data DIR] [--json FILE] [--quick]
 *
 * Every peer is a process of its own that lives through the whole run and holds the rows in memory. PyTorch and Spark are
 * installed once into environments in the cache; Spark needs Java 17.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runSession, type Session } from '../common/session.js';
import { type Case, casesOf, raceOf } from './cases.js';
import { dataOf, firstRows } from './data.js';
import { allFigures, strayLosses } from './figures.js';
import { type Finishes, measure, type Peak, type Running, runRace, tableOf } from './measure.js';
import { type Options, optionsOf, USAGE } from './options.js';
import { type Peer, peak, pinned } from './peers.js';
import { raceReport, report } from './report.js';

/** What the slots run. */
const BUILT = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

async function main(options: Options, session: Session): Promise<number> {
  if (!existsSync(BUILT)) throw new Error('Sheaf is not built: run `npm run build`');
  const { tell } = session;
  const home = join(session.home, 'data');
  mkdirSync(home);
  const data = dataOf(options.data, home);
  const cases = casesOf(options.quick).filter(({ id }) => options.wanted(id));
  const race = options.wanted('race') && data.real && !options.quick ? raceOf(options.target) : undefined;

  const start = async (peer: Pick<Peer, 'id' | 'title' | 'launch'>) =>
    session.start({ ...peer, launch: (own) => pinned(peer.launch(own), options.cores) });
  const running: Running[] = [];
  const absent: string[] = [];
  for (const peer of options.peers)
    try {
      running.push({ peer, process: await start(peer) });
    } catch (error) {
      absent.push(`${peer.title} takes no part: ${(error as Error).message}`);
      tell(`${absent.at(-1)}\n`);
    }
  const peers = running.map(({ peer }) => peer);
  const peaks: Peak[] = [];
  for (const cores of cases.length > 0 ? ([1, 2] as const) : []) {
    const process = await start(peak(cores)).catch((error: Error) => tell(`${error.message}\n`));
    if (process) peaks.push({ cores, process });
  }

  const table = tableOf(
    cases,
    peers,
    peaks.map(({ cores }) => cores),
  );
  const finishes: Finishes = new Map();
  const conclude = () => {
    const machine = `${cpus().length} cores of ${cpus()[0]!.model} (${options.cores} used), Node ${process.versions.node}`;
    console.log(`${machine}; ${data.title}; ${options.rounds} rounds; medians [least, most]\n`);
    console.log([report(table, peers), race ? raceReport(race, finishes) : '', ...absent].filter(Boolean).join('\n\n'));
    if (!options.json) return;
    const found = { at: new Date().toISOString(), machine, data: data.title, absent, cases: allFigures(table) };
    const ends = race && { ...race, peers: Object.fromEntries([...finishes].map(([{ id }, done]) => [id, done])) };
    writeFileSync(options.json, `${JSON.stringify({ ...found, race: ends }, null, 2)}\n`);
  };
  session.onInterrupt(conclude);
  await measure(table, running, peaks, {
    ...{ rounds: options.rounds, tell },
    filesOf: (each: Case) => firstRows(data.train, each.rows, home),
  });
  const racing = running.filter(({ peer }) => peer.sameSteps || options.sparkRace);
  if (race) await runRace(race, racing, finishes, { ...data, times: Math.min(options.rounds, 3), tell });
  tell('');
  if (session.interrupted) return 1;
  conclude();
  const rows = [...table.values()];
  const failed = rows.some(({ cells }) => [...cells.values()].some(({ failure }) => failure));
  return absent.length > 0 || failed || rows.some((row) => strayLosses(row).length > 0) ? 1 : 0;
}

await runSession('bench:train', async (session) => {
  const options = optionsOf(process.argv.slice(2));
  if (options !== 'help') return main(options, session);
  console.log(USAGE);
  return 0;
});
