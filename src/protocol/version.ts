import { readFileSync } from 'node:fs';

/** Of what travels between driver and executors: to be raised with every change of a message's form or meaning. */
const PROTOCOL = 1;

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** Driver and executors work together when their texts are equal. */
export const VERSION = `${version}, protocol ${PROTOCOL}`;
