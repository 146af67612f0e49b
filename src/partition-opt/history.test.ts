import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ASSUMED } from './cost-model.js';
import { type HistoryEntry, historyFile, learn, readHistory, remember, spreadOf } from './history.js';

const entry = (over: Partial<HistoryEntry> = {}): HistoryEntry => ({
  stage: 's',
  machine: 'm x2 in 1',
  bytes: 1e8,
  measured: [
    { bytes: 1e6, ms: 15 },
    { bytes: 1e7, ms: 105 },
  ],
  schedMs: 1,
  firstMs: 300,
  spread: 0.2,
  ...over,
});

describe('history', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sheaf-history-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('comes back as written, and passes over what it cannot read', () => {
    const file = join(directory, 'deep', 'history.jsonl');
    remember(file, entry());
    appendFileSync(file, '{"stage": "s", "half a li\nnull\n{"stage":1}\n{"stage":"s","machine":"m","measured":[]}\n');
    appendFileSync(file, `${JSON.stringify(entry({ schedMs: -1 }))}\n`);
    remember(file, entry({ bytes: 2e8 }));
    expect(readHistory(file)).toEqual([entry(), entry({ bytes: 2e8 })]);
    expect(readHistory(join(directory, 'none'))).toEqual([]);
  });

  it('stays small: the older half goes', () => {
    const file = join(directory, 'history.jsonl');
    const measured = Array.from({ length: 400 }, () => ({ bytes: 1e6, ms: 15 }));
    for (let run = 0; run < 200; run++) remember(file, entry({ bytes: run, measured }));
    expect(statSync(file).size).toBeLessThanOrEqual(512 * 1024);
    expect(readHistory(file).at(-1)!.bytes).toBe(199);
    expect(readFileSync(file, 'utf8').endsWith('\n')).toBe(true);
  });

  it('is done without where it cannot be written', () => {
    expect(() => remember('/dev/null/history.jsonl', entry())).not.toThrow();
  });

  it('lies in the state directory', () => {
    expect(historyFile({ XDG_STATE_HOME: '/state' })).toBe('/state/sheaf/history.jsonl');
    expect(historyFile({})).toMatch(/\.local\/state\/sheaf\/history\.jsonl$/);
  });
});

describe('learn', () => {
  const key = { stage: 's', machine: 'm x2 in 1', bytes: 1e8 };

  it('fits the constants to what runs of the same stage measured', () => {
    const learned = learn([entry(), entry({ schedMs: 3 }), entry({ schedMs: 2 })], key)!;
    expect(learned.runs).toBe(3);
    expect(learned.constants.taskMs).toBeCloseTo(5);
    expect(learned.constants.byteMs * 1e6).toBeCloseTo(10);
    expect(learned.constants.schedMs).toBe(2);
    expect(learned.firstMs).toBe(300);
  });

  it('takes no notice of other stages, machines, sizes, and of runs that measured nothing', () => {
    const others = [entry({ stage: 't' }), entry({ machine: 'n' }), entry({ bytes: 3e8 }), entry({ bytes: 4e7 })];
    expect(learn([...others, entry({ measured: [] })], key)).toBeUndefined();
    expect(learn([...others, entry({ bytes: 1.9e8 })], key)?.runs).toBe(1);
  });
});

describe('spreadOf', () => {
  it('is near what is assumed for few measurements, near what was seen for many, whatever one straggler did', () => {
    const model = { ...ASSUMED, taskMs: 0, byteMs: 1e-6 };
    const noisy = (count: number) => Array.from({ length: count }, (_, k) => ({ bytes: 1e6, ms: k % 2 ? 1.3 : 0.7 }));
    expect(spreadOf([], model)).toBeCloseTo(ASSUMED.spread);
    expect(spreadOf(noisy(2), model)).toBeLessThan(spreadOf(noisy(100), model));
    expect(spreadOf(noisy(100), model)).toBeCloseTo(0.43, 1);
    expect(spreadOf([...noisy(100), { bytes: 1e6, ms: 50 }], model)).toBeCloseTo(0.43, 1);
  });
});
