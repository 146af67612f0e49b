import { expect, it } from 'vitest';
import { Templates } from '../executor/templates.js';
import type { TaskMessage } from './task.js';
import { abridged, driverOf, templateOf } from './template.js';

const driver = 'app-mbq2x0ab-1a2b3c';
const scope = `${driver}/fit-12/g3`;

function message(n: number, inputs: readonly [unknown, unknown], installed: boolean): TaskMessage {
  const parameters = { id: 'template', scope, bytes: 900, crc32: 1, sha256: 'f'.repeat(64), at: [] };
  const task = { job: `${scope}`, stage: 7, stageAttempt: 0, partition: 1, attempt: 0, inputs: inputs as never };
  return {
    ...{ id: `${driver}-m${n}`, driver, executor: 'executor-1', slot: -1, sentAt: 5 },
    ...{ program: { module: 'mlp/tree-step', parameters }, tasks: [task], template: { scope, installed } },
  };
}

it('travels whole once; each repetition in tens of bytes', () => {
  const first = message(8, [{ homes: ['…'] }, [40, [4294967295]]], false);
  const second = message(9, [{ homes: ['…'] }, [41, [4294967295]]], true);
  expect(abridged(first)).toBe(first);
  const sent = JSON.parse(JSON.stringify(abridged(second)));
  expect(sent).toEqual({ id: second.id, template: 'fit-12/g3', inputs: [41, [4294967295]] });
  expect(JSON.stringify(sent).length).toBeLessThan(100);
  expect([driverOf(sent), templateOf(sent)]).toEqual([driver, scope]);
  expect([driverOf(first), templateOf(first)]).toEqual([driver, undefined]);
});

it('is made whole by who keeps the template, until its scope ends', () => {
  const templates = new Templates(() => 99);
  const first = message(8, [{ homes: ['…'] }, [40, []]], false);
  const second = message(9, [{ homes: ['…'] }, [41, [7]]], true);
  const sent = JSON.parse(JSON.stringify(abridged(second)));
  expect(templates.whole(sent)).toBeUndefined();
  expect(templates.whole(first)).toBe(first);
  expect(templates.whole(sent)).toEqual({ ...second, sentAt: 99, template: first.template });
  templates.release(`${driver}/fit-12/g2`);
  expect(templates.whole(sent)).toBeDefined();
  templates.release(`${driver}/fit-12`);
  expect(templates.whole(sent)).toBeUndefined();
});
