local({
  for (package in c("ggplot2", "dplyr")) loadNamespace(package)
  file <- tempfile(fileext = ".png")
  grDevices::png(file, type = "cairo")
  print(ggplot2::qplot(1:2, 1:2))
  grDevices::dev.off()
  unlink(file)
  invisible()
})
