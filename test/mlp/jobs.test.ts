import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import activityRecognition from '../../jobs/activity-recognition.js';
import tableClassifier from '../../jobs/table-classifier.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';
import { root, sheaf } from '../support/sheaf.js';
import { footprintOfAllTests } from '../support/tracked.js';
import { blobs, writeBlobs } from './blobs.js';

const SAMPLE = `${root}data/motionsense-sample`;
const directory = directoryOfAllTests('jobs');
footprintOfAllTests();
/** For jobs of which only the result counts. */
const sc = contextOfAllTests('local[2]');

/** Runs a job of the repository as its user does. */
async function submit(job: string, args: readonly string[], environment: Record<string, string> = {}) {
  const command = ['submit', '--master', 'local[2]', '--json', `${root}jobs/${job}.ts`, ...args];
  const { code, stdout, stderr } = await sheaf(command, environment);
  return { code, stderr, result: code === 0 ? JSON.parse(stdout) : undefined };
}

/** A job that must fail: its message, without a line of the engine's own code. */
async function refused(job: string, args: readonly string[]): Promise<string> {
  const { code, stderr } = await submit(job, args);
  expect(code, stderr).toBe(1);
  expect(stderr).not.toMatch(/^\s+at .*[\\/](dist|src)[\\/]/m);
  return stderr;
}

/** Recordings of the sample whose subject fits; `change` may alter a file's text. */
function recordings(name: string, subjects: RegExp, change = (text: string, _path: string) => text): string {
  const folder = join(directory, name);
  for (const trial of readdirSync(SAMPLE)) {
    if (!/^[a-z]+_\d+$/.test(trial)) continue;
    mkdirSync(join(folder, trial), { recursive: true });
    for (const file of readdirSync(join(SAMPLE, trial))) {
      const path = join(trial, file);
      if (!subjects.test(/sub_(\d+)\.csv/.exec(file)![1]!)) continue;
      writeFileSync(join(folder, path), change(readFileSync(join(SAMPLE, path), 'utf8'), path));
    }
  }
  return folder;
}

/** One recording's sixth line begins with another cell. */
const withCell = (cell: string) => (text: string, path: string) =>
  path === join('wlk_15', 'sub_3.csv') ? text.replace(/((?:.*\n){5}[^,]*,)[^,]*/, `$1${cell}`) : text;

describe('activity recognition', () => {
  const JOB = 'activity-recognition';
  const FEW = /^(1|2|3|19)$/;

  it.each([
    ['a directory that is not there', ['--data', '/no/such/folder'], /there is no directory \/no\/such\/folder/],
    ['epochs that are no number', ['--epochs', 'many'], /MLPClassifier: epochs must be a whole number .* not NaN/],
    [
      'an aggregation that is not known',
      ['--aggregation', 'ring'],
      /aggregation must be 'auto' or .*'allreduce', not 'ring'/,
    ],
    ['an option that is not known', ['--epoch', '3'], /Unknown option '--epoch'/],
  ])('refuses %s', async (_what, args, message) => {
    expect(await refused(JOB, args)).toMatch(message);
  });

  it('names file, line and column of a cell that is no number, or leaves its row out and counts it', async () => {
    const data = recordings('oops', FEW, withCell('oops'));
    expect(await refused(JOB, ['--data', data])).toMatch(
      /StandardScaler\.fit at activity-recognition\.ts:\d+ failed .*wlk_15\/sub_3\.csv, line 6, column "attitude\.roll": "oops" is not a number .*\n\s+at .*activity-recognition\.ts/,
    );
    const { stderr, result } = await submit(JOB, ['--data', data, '--bad-rows', 'drop', '--epochs', '2']);
    expect(stderr).toContain('badRows: 1 dropped');
    expect(result.rows).toBeGreaterThan(0);
  });

  it('names channel, rows and recording of a missing value', async () => {
    const data = recordings('nan', FEW, withCell('NaN'));
    expect(await refused(JOB, ['--data', data])).toMatch(
      /column "attitude\.roll" holds no finite number somewhere in rows 0 to 127 of the batch \(subject 3, activity wlk\)/,
    );
  });

  it('names the file that lacks a column', async () => {
    const data = recordings('lacking', FEW, (text, path) =>
      path === join('wlk_15', 'sub_3.csv') ? text.replace('gravity.x', 'gravity') : text,
    );
    expect(await refused(JOB, ['--data', data])).toMatch(
      /wlk_15\/sub_3\.csv: there is no column "gravity\.x"\. The file has/,
    );
  });

  it('passes over files without rows', async () => {
    const whole = await activityRecognition(sc(), ['--data', recordings('whole', FEW), '--epochs', '1']);
    const data = recordings('gaps', /^(1|2|3|4|5|19)$/, (text, path) =>
      path.endsWith('sub_4.csv') ? '' : path.endsWith('sub_5.csv') ? text.slice(0, text.indexOf('\n') + 1) : text,
    );
    const { weightsHash, rows } = whole;
    expect(await activityRecognition(sc(), ['--data', data, '--epochs', '1'])).toMatchObject({ weightsHash, rows });
  });

  it('says when there is nothing to train on, nothing to judge on, or one class only', async () => {
    expect(await refused(JOB, ['--data', recordings('test-only', /^(19|20)$/)])).toMatch(
      /StandardScaler\.fit: the table has no rows to scale "features" by/,
    );
    expect(await refused(JOB, ['--data', recordings('train-only', /^[12]$/)])).toMatch(
      /train-only holds no window of subjects above 18: nothing to judge a network on/,
    );
    const data = recordings('walk', FEW);
    for (const trial of readdirSync(data)) if (!trial.startsWith('wlk')) rmSync(join(data, trial), { recursive: true });
    expect(await refused(JOB, ['--data', data])).toMatch(
      /column "activity" holds one class only, "wlk", in all \d+ rows/,
    );
  });

  it('is as accurate on WebAssembly, which it falls back to where there is no native TensorFlow, and says so once', async () => {
    const native = await submit(JOB, []);
    expect(native.result.backend).toMatch(/^TensorFlow \d/);
    expect(native.stderr).not.toContain('no native TensorFlow');
    const absent = await submit(JOB, [], { SHEAF_NATIVE: 'off' });
    expect(absent.result.backend).toContain('WebAssembly');
    expect(absent.stderr.match(/no native TensorFlow/g)).toHaveLength(1);
    const asked = await submit(JOB, [], { SHEAF_BACKEND: 'tfjs-wasm' });
    expect(asked.result.weightsHash).toBe(absent.result.weightsHash);
    expect(asked.stderr).not.toContain('no native TensorFlow');
    for (const measure of ['accuracy', 'macroF1'])
      expect(Math.abs(absent.result[measure] - native.result[measure])).toBeLessThan(0.015);
    expect(native.result.accuracy).toBeGreaterThan(0.85);
  });
});

describe('the table classifier', () => {
  const JOB = 'table-classifier';
  const QUICK = ['--label', 'label', '--hidden', '8', '--epochs', '20', '--learning-rate', '0.02'];
  let data: string;

  beforeAll(() => {
    data = writeBlobs(join(directory, 'table'), blobs(300), 3);
  });

  it('trains and judges on all columns of numbers, split by row', async () => {
    const { result, stderr } = await submit(JOB, ['--data', data, ...QUICK]);
    expect(result, stderr).toMatchObject({ features: 4, classes: ['ann', 'bob', 'cleo'], unseenLabels: [] });
    expect(result.split).toContain('by a hash of each row');
    expect(result.trainRows + result.testRows).toBe(300);
    expect(result.testRows).toBeGreaterThan(45);
    expect(result.testRows).toBeLessThan(105);
    expect(result.accuracy).toBeGreaterThan(0.95);
    expect(result.baseline).toBeLessThan(0.5);
  });

  it('keeps groups together, and copes with missing values, text and a constant column', async () => {
    const path = join(directory, 'messy.csv');
    const { x, y } = blobs(240);
    const lines = x.map((row, r) => [...row, 7, r === 9 ? '?' : r, 'note', `p${r % 8}`, y[r]].join(','));
    writeFileSync(path, `${['x0,x1,x2,x3,constant,id,comment,person,label', ...lines].join('\n')}\n`);
    const args = ['--data', path, ...QUICK, '--group', 'person'];
    expect(await refused(JOB, args)).toMatch(/column "id" has no value in row 10 of the partition/);
    const { result, stderr } = await submit(JOB, [...args, '--bad-rows', 'drop']);
    expect(stderr).toContain('badRows: 1 dropped');
    expect(stderr).toContain('left out, no columns of numbers: comment');
    expect(result.split).toMatch(/by "person": 2 of 8 groups are the test set \(p\d, p\d\)/);
    expect(result).toMatchObject({ features: 6, classes: ['0', '1', '2'] });
    expect([59, 60]).toContain(result.testRows);
    const named = await tableClassifier(sc(), [...args, '--features', 'x0,x1,x2,x3,constant']);
    expect(named.trainRows + named.testRows).toBe(240);
    expect(named.accuracy).toBeGreaterThan(0.95);
  });

  it('takes a test set of its own, whose strange labels count as wrong', async () => {
    const test = writeBlobs(join(directory, 'strange'), blobs(30, { seed: 3 }), 1, ['ann', 'bob', 'dora']);
    const result = await tableClassifier(sc(), ['--data', data, '--test', test, ...QUICK]);
    expect(result).toMatchObject({ trainRows: 300, testRows: 30, unseenLabels: ['dora'] });
    expect(result.accuracy).toBeLessThanOrEqual(2 / 3);
  });

  it.each([
    [['--label', 'label'], /--data FILE and --label COLUMN are needed/],
    [['--data', 'x.csv', '--label', 'label', '--bad-rows', 'mean'], /--bad-rows must be error or drop, not "mean"/],
    [
      ['--data', 'x.csv', '--label', 'label', '--test-fraction', '1'],
      /--test-fraction must lie between 0 and 1, not "1"/,
    ],
  ])('refuses %j', async (args, message) => {
    expect(await refused(JOB, args)).toMatch(message);
  });

  it('refuses columns that are not there', async () => {
    expect(await refused(JOB, ['--data', data, '--label', 'species'])).toMatch(/there is no column "species"/);
    expect(await refused(JOB, ['--data', data, '--label', 'label', '--features', 'x0,y'])).toMatch(
      /\d\.csv: there is no column "y"\. The file has "x0", "x1"/,
    );
  });
});
