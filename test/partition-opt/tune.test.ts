import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SweepReport, SweepRun } from '../../src/partition-opt/sweep.js';

const SHEAF = fileURLToPath(new URL('../../bin/sheaf.js', import.meta.url));
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-tuning-'));
  mkdirSync(join(directory, 'data'));
  const rows = Array.from({ length: 3000 }, (_, k) => `${k},${(k * 37) % 1000}`).join('\n');
  for (let file = 0; file < 50; file++)
    writeFileSync(join(directory, 'data', `${String(file).padStart(2, '0')}.csv`), `x,y\n${rows}\n`);
  writeFileSync(
    join(directory, 'job.ts'),
    `export default async function main(sc: any, args: string[]) {
      if (args[0] !== '--data' || args.length > 2) throw new Error('the job got ' + args.slice(2));
      return sc.csv(args[1], { columns: { x: 'int32', y: 'int32' } }).map((row: any) => row.x + row.y).count();
    }`,
  );
  writeFileSync(
    join(directory, 'stubborn.ts'),
    `export const conf = { 'sheaf.partitions': '3' };\nexport { default } from './job.js';`,
  );
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function tune(job: string, ...options: string[]) {
  const args = ['tune', join(directory, job), '--data', join(directory, 'data'), '--master', 'local[2]', ...options];
  const env = { ...process.env, XDG_STATE_HOME: join(directory, 'state') };
  return spawnSync(process.execPath, [SHEAF, ...args], { encoding: 'utf8', env });
}

describe('sheaf tune', () => {
  it('runs a job with each value and reports predicted beside measured time', () => {
    const { stdout, stderr, status } = tune('job.ts', '--sweep', 'sheaf.partitions=1,4', '--repeat', '2', '--json');
    expect(stderr).toContain('run 4 of 4: sheaf.partitions=1 … planned stages ');
    expect(status).toBe(0);
    const report = JSON.parse(stdout) as SweepReport & { runs: SweepRun[] };
    expect(report.rows.map(({ value, partitions }) => [value, partitions])).toEqual([
      ['1', 1],
      ['4', 4],
    ]);
    for (const { predictedMs, measured } of report.rows) {
      expect(predictedMs).toBeGreaterThan(0);
      expect(measured.median).toBeGreaterThan(0);
    }
    expect(report.runs.map(({ value }) => value)).toEqual(['1', '4', '4', '1']);
    expect(report.model).toBeGreaterThanOrEqual(1);
  });

  it('says what is wrong with a sweep, or with the job', () => {
    expect(tune('job.ts', '--sweep', 'sheaf.partition=1').stderr).toContain('there is no setting "sheaf.partition"');
    expect(tune('job.ts', '--sweep', 'sheaf.partitions=1', '--conf', 'sheaf.partitions=2').stderr).toContain(
      'is swept',
    );
    const stubborn = tune('stubborn.ts', '--sweep', 'sheaf.partitions=4', '--repeat', '1');
    expect(stubborn.stderr).toContain("the job's own conf sets sheaf.partitions=3");
    expect(stubborn.status).toBe(1);
    const failing = tune('job.ts', '--sweep', 'sheaf.partitions=4', '--', '--json', 'no');
    expect(failing.stderr).toMatch(
      /the run with sheaf\.partitions=4 failed \(exit code 1\):[\s\S]*the job got --json,no\n/,
    );
    expect(failing.status).toBe(1);
  });
});
