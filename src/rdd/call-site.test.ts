import { describe, expect, it } from 'vitest';
import { callSite, userPlace } from './call-site.js';

const ROOT = '/home/me/my%20(new)+app/node_modules/sheaf/dist/';
const engine = [
  `    at operatorName (file://${ROOT}rdd/call-site.js:3:20)`,
  `    at RDD.map (file://${ROOT}rdd/rdd.js:30:20)`,
];

describe('userPlace', () => {
  it.each([
    ['a module', '    at main (file:///home/me/jobs/my%20job.ts:12:7)', 'my job.ts:12'],
    ['an anonymous place', '    at file:///home/me/jobs/job.ts:12:7', 'job.ts:12'],
    ['an async function', '    at async Object.main (/home/me/jobs/job.ts:12:7)', 'job.ts:12'],
    ['a path with blanks and brackets', '    at main (/home/me (old)/the job.ts:12:7)', 'the job.ts:12'],
    ['Windows', '    at main (C:\\Users\\me\\job.ts:12:7)', 'job.ts:12'],
    ["a test beside the engine's code", `    at file://${ROOT}rdd/rdd.test.ts:12:7`, 'rdd.test.ts:12'],
  ])('is the first frame outside the engine: %s', (_, frame, place) => {
    const node = '    at process.processTicksAndRejections (node:internal/process/task_queues:103:5)';
    const runner = `    at runJobFile (file://${ROOT}cli/run-job.js:40:5)`;
    expect(userPlace([...engine, node, frame, runner], ROOT)).toBe(place);
  });

  it('sees through source maps, which name the engine by its sources', () => {
    const mapped = [
      '    at StandardScaler.fit (/home/me/my (new)+app/node_modules/sheaf/src/mlp/standard-scaler.ts:34:19)',
    ];
    expect(userPlace([...engine, ...mapped, '    at main (/home/me/job.ts:12:7)'], ROOT)).toBe('job.ts:12');
  });

  it('says when there is none', () => {
    expect(userPlace(engine, ROOT)).toBe('unknown place');
  });
});

describe('callSite', () => {
  it('is where the engine was called', () => {
    expect(callSite()).toMatch(/^call-site\.test\.ts:\d+$/);
  });
});
