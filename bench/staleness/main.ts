/**
 * Time to a loss over the consistency of the parameter server, with slots that are slow in turns, or one that always is:
 * what Li et al. (OSDI 2014) measured. Slots are slowed from outside, by stopping and continuing their processes.
 *
 *     npm run bench:staleness -- [--slow turns|one|none] [--factor X] [--shards N] [--rounds N] [--target LOSS] [--data DIR] [--quick]
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { section, spread } from '../common/markdown.js';
import { whole } from '../common/options.js';
import { runSession, type Session } from '../common/session.js';
import { type Interval, interval } from '../common/statistics.js';
import { type Case, casesOf } from '../train/cases.js';
import { dataOf, firstRows } from '../train/data.js';
import type { Answer } from '../train/peers/fits.js';
import { pinned, script } from '../train/peers.js';
import { type Course, secondsTo } from './progress.js';
import { type Slow, slotsOf, slowDown } from './slow-down.js';

const USAGE = `Time to a loss over the consistency of the parameter server, on two slots of which one is slow.

usage: npm run bench:staleness -- [options]

  --slow turns|one|none   slots are slow in turns of 250 ms (default), the first always is, or none
  --factor X              how many times slower, default 3
  --shards N              gradient shards, default 2: one a slot, which then stay; more move away from a slot that is slow for good
  --rounds N              default 7
  --target LOSS           of the training rows, default 0.5; with --quick 0.8
  --cores LIST            as taskset names them; default 0,1
  --data DIR              Fashion-MNIST's idx files; default: as bench:train
  --json FILE             write every figure there
  --quick                 one round of a quarter of the rows: to see that all works`;

/** With plain descent, as stale updates and momentum do not go together. */
const LARGE = casesOf()[0]!;
const CASE: Case = { ...LARGE, epochs: 7, optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0 } };
const MODES = ['sync', { staleness: 1 }, { staleness: 2 }, { staleness: 4 }, { staleness: 8 }, 'async'] as const;
type Mode = (typeof MODES)[number];

/** `sync` is staleness 0. */
const nameOf = (mode: Mode) => (typeof mode === 'string' ? mode : `staleness ${mode.staleness}`);

async function main(session: Session): Promise<number> {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    options: {
      ...{ slow: text, factor: text, shards: text, rounds: text, target: text, cores: text, data: text, json: text },
      ...{ quick: flag, help: flag },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const slow = (values.slow ?? 'turns') as Slow;
  if (!['turns', 'one', 'none'].includes(slow)) throw new Error(`--slow must be turns, one or none, not "${slow}"`);
  const [factor, target] = [Number(values.factor ?? 3), Number(values.target ?? (values.quick ? 0.8 : 0.5))];
  if (!(factor >= 1)) throw new Error(`--factor must be a number of at least 1, not "${values.factor}"`);
  if (!(target > 0)) throw new Error(`--target must be a number above 0, not "${values.target}"`);
  const shards = whole('--shards', values.shards, 2, 1);
  const rounds = whole('--rounds', values.rounds, values.quick ? 1 : 7, 1);
  if (!existsSync(fileURLToPath(new URL('../../dist/index.js', import.meta.url))))
    throw new Error('Sheaf is not built: run `npm run build`');

  const home = join(session.home, 'data');
  mkdirSync(home);
  const data = dataOf(values.data, home);
  const work = values.quick ? { ...CASE, rows: CASE.batch * 14 } : CASE;
  const train = firstRows(data.train, work.rows, home);
  const launch = () => pinned(script('sheaf.ts', 'local[2]', String(shards), 'ps'), values.cores ?? '0,1');
  const peer = await session.start({ id: 'sheaf', title: 'Sheaf local[2], ps', launch });

  const courses = new Map<Mode, Course[]>(MODES.map((mode) => [mode, []]));
  const skipped = new Map<Mode, string>();
  const conclude = () => {
    const machine = `${cpus().length} cores of ${cpus()[0]!.model}, Node ${process.versions.node}`;
    const slowed = {
      none: 'no slot slowed',
      one: `the first slot ${factor} times slower`,
      turns: `slots ${factor} times slower in turns`,
    };
    const dealt = `${shards} shards`;
    console.log(`${machine}; ${data.title}; ${work.title}; ${dealt}; ${slowed[slow]}; medians [least, most]\n`);
    console.log(tableOf(courses, skipped, work, target));
    if (values.json) {
      const modes = Object.fromEntries([...courses].map(([mode, done]) => [nameOf(mode), done]));
      writeFileSync(
        values.json,
        `${JSON.stringify({ machine, slow, factor, shards, target, case: work, modes }, null, 2)}\n`,
      );
    }
  };
  session.onInterrupt(conclude);
  // A round more, the first: it is not counted, and starts what is started once.
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < MODES.length; turn++) {
      const mode = MODES[(turn + round + 1) % MODES.length]!;
      if (skipped.has(mode)) continue;
      session.tell(`round ${round + 2} of ${rounds + 1}, ${nameOf(mode)}\n`);
      const restore = slowDown(slotsOf(peer.pid), slow, factor);
      try {
        const options = mode === 'sync' ? {} : { consistency: mode };
        const answer = await peer.run<Answer<Course>>(['course', JSON.stringify({ case: work, train, options })]);
        if ('skipped' in answer) skipped.set(mode, answer.skipped);
        else if (round >= 0) courses.get(mode)!.push(answer);
      } catch (error) {
        skipped.set(mode, (error as Error).message);
      } finally {
        restore();
      }
    }
  }
  if (session.interrupted) return 1;
  conclude();
  return 0;
}

function tableOf(
  courses: ReadonlyMap<Mode, readonly Course[]>,
  skipped: ReadonlyMap<Mode, string>,
  { rows, epochs }: Case,
  target: number,
): string {
  const seconds = new Map([...courses].map(([mode, done]) => [mode, done.map((course) => secondsTo(target, course))]));
  const rounds = (values: readonly (number | undefined)[]) => of(values.filter((value) => value !== undefined));
  const lines = [...courses].map(([mode, done]) => {
    const why = skipped.get(mode);
    if (done.length === 0) return [nameOf(mode), why ? `skipped: ${why}` : '', '', '', '', ''];
    const ratios = seconds.get(mode)!.map((own, round) => {
      const base = seconds.get('sync')![round];
      return own !== undefined && base !== undefined ? own / base : undefined;
    });
    const whole = done.map(({ epochSeconds }) => (rows * epochs) / epochSeconds.reduce((a, b) => a + b, 0));
    return [
      nameOf(mode),
      spread(rounds(seconds.get(mode)!), (value) => value.toFixed(2)) || 'never',
      spread(rounds(ratios), (value) => value.toFixed(2)),
      spread(of(done.map(({ computeShare }) => 1 - computeShare)), (value) => `${(100 * value).toFixed(0)} %`),
      spread(of(whole), (value) => `${(value / 1000).toFixed(1)}k`),
      of(done.map(({ losses }) => losses.at(-1)!))?.median.toFixed(4) ?? '',
    ];
  });
  const head = ['consistency', `seconds to a loss of ${target}`, 'of sync', 'idle', 'rows/s', 'last loss'];
  return section('Idle: the share of the slots’ time in which they compute no gradient', head, lines);
}

const of = (values: readonly number[]): Interval | undefined => (values.length > 0 ? interval(values) : undefined);

await runSession('bench:staleness', main);
