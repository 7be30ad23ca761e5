import { Agent, fetch, type RequestInit, type Response } from 'undici';
import { routeTo } from './address.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** `fetch` that also takes URLs of sockets (`unixUrl`); to those each request has a connection of its own. */
export const fetchAnywhere: Fetch = async (text, init) => {
  const { url, socketPath } = routeTo(text);
  if (socketPath === undefined) return fetch(url, init);
  return fetch(url, { ...init, dispatcher: new Agent({ connect: { socketPath }, pipelining: 0 }) });
};
