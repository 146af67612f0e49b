import { expect, it } from 'vitest';
import { deviceAmong, type SlotDevice } from './slot-device.js';

it.each<[Parameters<typeof deviceAmong>[0], SlotDevice[], SlotDevice]>([
  ['auto', ['cpu', 'gpu'], 'gpu'],
  ['auto', ['cpu', 'cpu'], 'cpu'],
  ['auto', [], 'cpu'],
  ['cpu', ['gpu'], 'cpu'],
  ['gpu', ['cpu'], 'gpu'],
])('%s among %j: %s', (wanted, devices, expected) => {
  const slots = devices.map((device) => ({ device }));
  expect(deviceAmong(wanted, slots)).toBe(expected);
});
