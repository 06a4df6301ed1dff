/** A plot, whose library is loaded with the first. */
import { lazyView } from '../base/load.tsx';

export const Plot = lazyView(
  () => import('./plot.tsx'),
  () => <div class="chart-plot" />,
);
