/** What can stand in a queue message: plain JSON. Binary data never does; it travels as blocks (see block.ts). */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
