DELETE FROM askfirst_fresh.sealed WHERE installation = $installation
