declare module 'virtual:chart/*' {
  const drawn: import('./base/chart.ts').DrawnChart;
  export default drawn;
}

declare module '*.css';
