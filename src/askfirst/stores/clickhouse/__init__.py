"""The store past one machine: ClickHouse."""
