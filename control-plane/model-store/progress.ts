/** What a fetch is doing. Bytes count up to `total`, which is unknown while a source does not say. */
export interface FetchProgress {
  phase: 'waiting' | 'downloading' | 'unpacking' | 'verifying';
  bytes: number;
  total: number | undefined;
}

export type OnProgress = (progress: FetchProgress) => void;
