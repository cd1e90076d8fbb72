module greenroom.dev/gotools/pause

go 1.26.0
