/** Pixels as rows of interleaved 8-bit samples. */
export interface Raster {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
}
